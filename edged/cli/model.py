"""The model that a command line names, run as it and the configuration say."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edged import logs
from edged.cli.arguments import MODEL_OPTIONS, by_option
from edged.config.load import load
from edged.config.schema import Config
from edged.errors import ModelError, UnlabelledError
from edged.models import library
from edged.printable import printable

if TYPE_CHECKING:
    from edged.evaluation.document import Evaluation
    from edged.inference.tflite import TfliteClassifier

log = logging.getLogger(__name__)


def configured(arguments: argparse.Namespace, model: str, more: Sequence[str] = ()) -> Config:
    """What ``--config`` and ``--set`` say, then the options by name, then `more` like ``--set``.

    `model` is a name or a file, and stands before the configuration's; empty leaves that. Whether
    it is blessed does not matter to who measures it. ConfigError, or ModelError for a name that
    is not here.
    """
    # Warnings about the model go to standard error, beside the answers.
    logs.start("warning", "command")

    def reword(record: logging.LogRecord) -> bool:
        record.msg, record.args = by_option(arguments, record.getMessage()), None
        return True

    logging.getLogger().handlers[0].addFilter(reword)
    named = {key: getattr(arguments, option, None) for option, key in MODEL_OPTIONS.items()}
    given = [f"{key}={text}" for key, text in named.items() if text is not None]
    config = load(arguments.config, [*arguments.overrides, *given, *more], os.environ)
    path = str(library.resolve(model)) if model else config.model.path
    return replace(config, model=replace(config.model, path=path, require_blessing=False))


def loaded(config: Config) -> TfliteClassifier:
    """The model, ready to classify, with numbers for its classes where it has no labels.

    One line on standard error says so then, or which labels were found by a usual name. ModelError.
    """
    # `edged models list` does without it.
    from edged import build

    try:
        classifier = build.classifier(config)
    except ModelError:
        numbers = _numbers(config)
        if numbers is None:
            raise
        with TemporaryDirectory() as folder:
            labels = Path(folder) / "classes.txt"
            labels.write_text("\n".join(numbers) + "\n")
            model = replace(config.model, labels=str(labels))
            classifier = build.classifier(replace(config, model=model))
        log.warning(
            "%s has no labels, so its classes have numbers; name them in %s.txt beside it, one per "
            "line, or with model.labels; `edged models labels MODEL --picture PICTURE` "
            "shows which is which",
            printable(classifier.path),
            printable(classifier.path.stem),
        )
        return classifier
    if classifier.found_labels.guessed:
        log.warning("labels from %s, found beside the model", classifier.found_labels.source)
    return classifier


def _numbers(config: Config) -> tuple[str, ...] | None:
    """Labels for a model that has none; None where that is not what is wrong with it."""
    from edged.inference import labels, tflite

    try:
        file = tflite.read(config.model)
        labels.find(file, config.model.labels, config.model.locale)
    except UnlabelledError:
        return labels.numbers(file)
    except ModelError:
        pass
    return None


def tell_suspicions(*evaluations: Evaluation) -> None:
    """On standard error, beside the answers: what hardly comes from the model itself."""
    for evaluation in evaluations:
        for line in evaluation.suspicions:
            log.warning("%s: %s", evaluation.model.name, line)
