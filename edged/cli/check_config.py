"""``edged check-config``."""

from __future__ import annotations

import argparse
import os

from edged import build, logs
from edged.config import saved
from edged.config.effective import effective
from edged.config.load import load
from edged.paths import control_socket
from edged.ports.control import address
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Loads the file as the daemon would, the model and the rules' labels with it."""
    logs.start("warning", "command")
    config = load(arguments.config, arguments.overrides, os.environ)
    if config.control.enabled:
        address(control_socket(config))
    with build.perception(config):
        pass
    for part, _ in saved.parts(saved.kept(arguments.config)):
        print(f"# {printable(saved.file(arguments.config))}: {printable(part)}")
    if arguments.show:
        print(effective(config))
    else:
        where = printable(arguments.config or "the defaults")
        print(f"{where}: valid; rules: {len(config.rule)}, outputs: {len(config.output)}")
    return 0
