"""Where the commands find the running daemon."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edged import access
from edged.config.load import load
from edged.config.schema import Config
from edged.errors import CameraError
from edged.paths import running_socket
from edged.ports.control.client import ControlClient


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration that the command line names."""
    return load(arguments.config, arguments.overrides, os.environ)


@contextmanager
def running_daemon(config: Config) -> Iterator[ControlClient]:
    """A client of the daemon's socket; DaemonError, with what to do, where it cannot be used."""
    path = running_socket(config)
    try:
        yield ControlClient(path)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DaemonAbsentError(
            f"{path}: no daemon answers here; start it with `edged run`, "
            "or name its configuration with --config"
        ) from error
    except PermissionError as error:
        raise DaemonError(f"{path}: not permitted; {access.advice(path, os.W_OK)}") from error
    except (ConnectionResetError, TimeoutError) as error:
        raise DaemonError(f"{path}: the daemon does not answer; look at its log") from error


class DaemonError(CameraError):
    """The daemon cannot be asked."""


class DaemonAbsentError(DaemonError):
    """Nobody answers at the socket."""
