"""Records the outputs that a daemon has opened, for `edged safe-outputs`.

The configuration may be edited, or wrong, when the daemon ends: what counts is what it opened.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from edged.config.schema import GpioConfig, OutputConfig
from edged.errors import ConfigError, PortError
from edged.files import open_regular, write_atomically

LIMIT_BYTES = 1 << 24


class OpenedOutputs(msgspec.Struct, frozen=True):
    """The outputs, and the options of their pins."""

    gpio: GpioConfig
    outputs: list[OutputConfig]


@contextmanager
def written(path: Path, opened: OpenedOutputs) -> Iterator[None]:
    """Record the outputs before they are opened, and lock the record until the end.

    PortError if another daemon has the lock (its outputs would not be made safe after the record is
    replaced), or if it cannot be written.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            lock = stack.enter_context(path.with_suffix(".lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # After a power cut no output keeps its level.
            write_atomically(path, msgspec.json.encode(opened), durable=False)
        except BlockingIOError as error:
            raise PortError(
                "another edged runs with this configuration; stop it, or give this one its own"
            ) from error
        except OSError as error:
            raise PortError(
                f"{path}: the list of outputs for safe-outputs cannot be written: "
                f"{error.strerror or error}; make its directory writable, or free some space"
            ) from error
        yield


def read(path: Path) -> OpenedOutputs | None:
    """The last record; None without one. ConfigError if it is damaged."""
    try:
        with open_regular(path) as file:
            return msgspec.json.decode(file.read(LIMIT_BYTES), type=OpenedOutputs)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; start edged again") from error
