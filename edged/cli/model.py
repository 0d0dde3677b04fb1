"""The model that a command line names, run as it and the configuration say."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edged import logs
from edged.cli.arguments import MODEL_OPTIONS
from edged.config.load import load
from edged.config.schema import Config
from edged.models import library

if TYPE_CHECKING:
    from edged.evaluation.document import Evaluation

log = logging.getLogger(__name__)


def configured(arguments: argparse.Namespace, model: str, more: Sequence[str] = ()) -> Config:
    """What ``--config`` and ``--set`` say, then the options by name, then `more` like ``--set``.

    `model` is a name or a file, and stands before the configuration's; empty leaves that. Whether
    it is blessed does not matter to who measures it. ConfigError, or ModelError for a name that
    is not here.
    """
    # What is said of the model is for a person, beside the answers.
    logs.start("warning", "command")
    named = {key: getattr(arguments, option, None) for option, key in MODEL_OPTIONS.items()}
    given = [f"{key}={text}" for key, text in named.items() if text is not None]
    config = load(arguments.config, [*arguments.overrides, *given, *more], os.environ)
    path = str(library.resolve(model)) if model else config.model.path
    return replace(config, model=replace(config.model, path=path, require_blessing=False))


def tell_suspicions(*evaluations: Evaluation) -> None:
    """On standard error, beside the answers: what hardly comes from the model itself."""
    for evaluation in evaluations:
        for line in evaluation.suspicions:
            log.warning("%s: %s", evaluation.model.name, line)
