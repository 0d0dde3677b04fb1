"""``edged classify``."""

from __future__ import annotations

import argparse
import sys

from edged import build
from edged.batch import Batch, pictures
from edged.cli.model import configured, labelled
from edged.cli.progress import followed
from edged.errors import PictureError
from edged.imaging.standard_input import STANDARD_INPUT
from edged.messages.results import PictureMessage, milliseconds, ranked
from edged.perception.labels import word
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Each picture, in the given order; folders are searched recursively and sorted by name."""
    found = list(pictures(arguments.paths))
    config = configured(arguments, arguments.model)
    # A user who types the input may want to end it.
    count = 1 if STANDARD_INPUT in found else len(found)
    model, labels = labelled(config)
    taught = build.lessons(config, model)
    batch = Batch(model, labels, config.camera.fit, count, taught=taught)
    [classifier, *_] = batch.classifiers
    wanted = word(arguments.match) if arguments.match else None
    failed = False
    answers = batch.answers(found)
    # Answers on the terminal show the progress, and a bar would break them up.
    quiet = sys.stdout.isatty()
    for answer in answers if quiet else followed(answers, "classify", len(found)):
        name, prediction = printable(answer.path), answer.prediction
        if answer.error is not None:
            failed = True
            _report_failure(answer.error, name, classifier.name, as_json=arguments.json)
        if prediction is None:
            continue
        best = prediction.top(arguments.top)
        if wanted and not any(wanted.search(ranked.label) for ranked in best):
            continue
        if arguments.json:
            stages_s = {"decode": answer.decode_s, **prediction.stages_s}
            _print_json(
                PictureMessage(
                    path=name,
                    model=classifier.name,
                    results=ranked(prediction, arguments.top),
                    stages_ms=milliseconds(stages_s),
                )
            )
        else:
            told = "; ".join(f"{ranked.score:.1%} {ranked.label}" for ranked in best)
            print(f"{name}: {told}")
    return 1 if failed else 0


def _report_failure(error: PictureError, name: str, model: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(
            PictureMessage(path=name, model=model, results=[], stages_ms={}, error=str(error))
        )
    else:
        print(f"edged: {error}", file=sys.stderr)


def _print_json(message: PictureMessage) -> None:
    print(message.json().decode())
