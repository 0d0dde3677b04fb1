"""Where the commands find the running daemon."""

from __future__ import annotations

import argparse
import os

from edged.config.load import load
from edged.config.schema import Config
from edged.paths import running_socket
from edged.ports.control.client import ControlClient


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the command line names."""
    return load(arguments.config, arguments.overrides, os.environ)


def running_daemon(config: Config) -> ControlClient:
    """A client of the daemon's socket."""
    return ControlClient(running_socket(config))
