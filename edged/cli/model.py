"""The model that a command line names, with the options of both command line and configuration."""

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
from edged.models.naming import model_name
from edged.printable import printable

if TYPE_CHECKING:
    from edged.build import Admitted
    from edged.evaluation.document import Evaluation
    from edged.inference.labels import Labels

log = logging.getLogger(__name__)


def configured(arguments: argparse.Namespace, model: str, more: Sequence[str] = ()) -> Config:
    """The configuration: ``--config``, ``--set``, the named options, then `more`, like ``--set``.

    `model` is a name or a file, and overrides the configuration's unless it is empty. To measure a
    model, it need not be blessed. ConfigError, or ModelError for a name that is not installed.
    """
    # Warnings about the model go to standard error, separate from the answers.
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


def labelled(config: Config) -> tuple[Admitted, Labels]:
    """The model after quarantine, and its labels; numbers for its classes if it has none.

    One line on standard error then says so, or which labels were found under a usual name.
    ModelError.
    """
    # Imported here: `edged models list` does not need it.
    from edged import build
    from edged.inference import labels

    try:
        model = build.admitted(config)
        found = labels.find(model.file, model.settings.labels, model.settings.locale)
    except ModelError:
        numbers = _numbers(config)
        if numbers is None:
            raise
        with TemporaryDirectory() as folder:
            # Quarantine loads it with labels, like every other caller.
            written = Path(folder) / "classes.txt"
            written.write_text("\n".join(numbers.names) + "\n")
            model = build.admitted(
                replace(config, model=replace(config.model, labels=str(written)))
            )
        log.warning(
            "%s has no labels, so its classes have numbers; name them in %s.txt beside it, one per "
            "line, or with model.labels; `edged models labels MODEL --picture PICTURE` "
            "shows which is which",
            printable(model.file.path),
            printable(model_name(model.file.path)),
        )
        return model._replace(settings=replace(model.settings, labels="")), numbers
    if found.guessed:
        log.warning("labels from %s, found beside the model", found.source)
    return model, found


def _numbers(config: Config) -> Labels | None:
    """Labels for a model that has none; None if something else is wrong with it."""
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
    """Report, on standard error, findings that hardly come from the model itself."""
    for evaluation in evaluations:
        for line in evaluation.suspicions:
            log.warning("%s: %s", evaluation.model.name, line)
