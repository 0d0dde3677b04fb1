"""``edged safe-outputs``: what systemd runs after the daemon has ended, however it ended."""

from __future__ import annotations

import argparse
import os
import sys

from edged.config.load import load
from edged.ports.gpio.safe import put_outputs_safe


def run(arguments: argparse.Namespace) -> int:
    """Each output in its on_exit level; one line for each that could not be."""
    config = load(arguments.config, arguments.overrides, os.environ)
    problems = put_outputs_safe(config.gpio, config.output)
    for problem in problems:
        print(f"edged: {problem}", file=sys.stderr)
    return 1 if problems else 0
