"""``edged run``."""

from __future__ import annotations

import argparse

from edged.daemon import Daemon


def run(arguments: argparse.Namespace) -> int:
    """The daemon, until it is told to stop."""
    overrides = list(arguments.overrides)
    if arguments.log_json:
        overrides.append("log.format=json")
    Daemon(arguments.config, overrides).run()
    return 0
