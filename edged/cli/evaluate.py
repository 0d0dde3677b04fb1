"""``edged models evaluate``."""

from __future__ import annotations

import argparse
from functools import partial

from edged.cli.output import write_file
from edged.cli.progress import followed
from edged.config.schema import ModelConfig
from edged.evaluation import (
    conformance,
    document,
    evaluation,
    golden,
    probe,
    report,
    slices,
    text,
)
from edged.evaluation.dataset import classes_of, open_dataset
from edged.inference import tflite
from edged.models import library


def run(arguments: argparse.Namespace) -> int:
    """Prints Markdown, or JSON; the pictures are looked at on the way."""
    if arguments.html:
        report.check()
    path = str(library.resolve(arguments.model))
    model = ModelConfig(path=path, labels=arguments.labels, runtime=arguments.runtime)
    dataset = open_dataset(arguments.data).limited(arguments.limit)
    slices.check(dataset, arguments.slice)
    classifier = tflite.load(model)
    classes_of(dataset, classifier.labels)
    facts = document.describe(
        classifier.path,
        classifier.name,
        classifier.runtime,
        len(classifier.labels),
        probe.measure(model),
    )
    outcome = evaluation.evaluate(dataset, [classifier], partial(followed, what="evaluate"))
    checks = conformance.check(classifier, model)
    found = document.summarise(
        facts, dataset.source, outcome, outcome.outcomes[0], arguments.slice, checks
    )
    if arguments.html:
        write_file(arguments.html, report.html(found).encode())
    if arguments.write_golden:
        golden.write(arguments.write_golden, classifier, dataset)
    print(found.json().decode() if arguments.json else text.evaluation(found))
    whole = found.inspection.unreadable.count == 0
    return 0 if whole and all(check.holds for check in checks) else 1
