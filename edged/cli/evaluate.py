"""``edged models evaluate``."""

from __future__ import annotations

import argparse
import logging
from functools import partial

from edged import build
from edged.cli.model import configured, tell_suspicions
from edged.cli.output import write_file
from edged.cli.progress import followed
from edged.evaluation import (
    conformance,
    document,
    evaluation,
    golden,
    probe,
    report,
    slices,
    text,
    thumbnails,
)
from edged.evaluation.dataset import classes_of, open_dataset
from edged.printable import printable

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Prints Markdown or JSON; the pictures are also inspected."""
    if arguments.html:
        report.check()
    config = configured(arguments, arguments.model)
    dataset = open_dataset(arguments.data).limited(arguments.limit)
    slices.check(dataset, arguments.slice)
    # As the daemon says it, with the labels that were taught; the rest is of the model alone.
    classifier, sensing, training = build.taught(config)
    if added := list(sensing.labels)[len(classifier.labels) :]:
        log.warning(
            "with the labels that were taught: %s; --set teach.enabled=false leaves them out",
            printable(", ".join(added)),
        )
    classes_of(dataset, sensing.labels)
    facts = document.describe(classifier, probe.measure(config.model))
    outcome = evaluation.evaluate(dataset, [sensing], partial(followed, what="evaluate"))
    checks = conformance.check(classifier, config.model)
    found = document.summarise(
        facts, dataset.source, outcome, outcome.outcomes[0], arguments.slice, checks, training
    )
    tell_suspicions(found)
    if arguments.html:
        pictures = (thumbnails.mistakes(dataset, outcome), thumbnails.doubts(dataset, outcome))
        write_file(arguments.html, report.html(found, *pictures).encode())
    if arguments.write_golden:
        golden.write(arguments.write_golden, classifier, dataset)
    print(found.json().decode() if arguments.json else text.evaluation(found))
    whole = found.inspection.unreadable.count == 0
    return 0 if whole and all(check.holds for check in checks) else 1
