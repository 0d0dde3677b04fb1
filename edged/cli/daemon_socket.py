"""How commands find the running daemon."""

from __future__ import annotations

import argparse
import os
import sys

from edged.config.load import WrongConfigError, load
from edged.config.schema import Config
from edged.paths import running_socket
from edged.ports.control.client import TIMEOUT_S, ControlClient
from edged.printable import printable


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the command line names."""
    return load(arguments.config, arguments.overrides, os.environ)


def running_daemon(arguments: argparse.Namespace, within_s: float = TIMEOUT_S) -> ControlClient:
    """A client of the daemon with the configuration that the command line names.

    An answer may take `within_s`. An invalid file is reported on standard error: the daemon keeps
    running with what it read before. ConfigError if the fault is in the options that determine the
    daemon's socket.
    """
    try:
        config = configured(arguments)
    except WrongConfigError as error:
        if any(path[0] in ("device", "control") for path in error.wrong or ()):
            raise
        for line in str(error).splitlines():
            print(f"edged: {printable(line)}", file=sys.stderr)
        config = error.rest
    return ControlClient(running_socket(config), within_s)
