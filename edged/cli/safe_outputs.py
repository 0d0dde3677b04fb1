"""``edged safe-outputs``: what systemd runs after the daemon has ended, however it ended."""

from __future__ import annotations

import argparse
import os
import sys

from edged import paths
from edged.config.load import load
from edged.config.schema import Config
from edged.errors import ConfigError
from edged.ports.gpio import opened
from edged.ports.gpio.opened import OpenedOutputs
from edged.ports.gpio.safe import put_outputs_safe


def run(arguments: argparse.Namespace) -> int:
    """Set each output that the daemon opened to its on_exit level; a line for each failure.

    The configuration counts only if no daemon with this file has recorded what it opened.
    """
    problems = []
    try:
        outputs = opened.read(paths.opened_outputs(arguments.config))
    except ConfigError as error:
        problems.append(f"{error}; using the outputs of the configuration instead")
        outputs = None
    if outputs is None:
        config = _configured(arguments)
        outputs = OpenedOutputs(config.gpio, config.output)
    problems += put_outputs_safe(outputs.gpio, outputs.outputs)
    for problem in problems:
        print(f"edged: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _configured(arguments: argparse.Namespace) -> Config:
    try:
        return load(arguments.config, arguments.overrides, os.environ)
    except ConfigError:
        # Unusable changes from the web page must not keep an output from its safe level.
        return load(arguments.config, arguments.overrides, os.environ, changes={})
