"""Which outputs a daemon has opened, written down where `edged safe-outputs` finds it.

The configuration may be edited, or wrong, when the daemon ends: what counts is what it opened.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edged.config.schema import GpioConfig, OutputConfig
from edged.errors import ConfigError
from edged.files import write_atomically

LIMIT_BYTES = 1 << 24


class OpenedOutputs(msgspec.Struct, frozen=True):
    """The outputs, and how their pins are reached."""

    gpio: GpioConfig
    outputs: list[OutputConfig]


def write(path: Path, opened: OpenedOutputs) -> None:
    """Before the first pin is opened. ConfigError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_atomically(path, msgspec.json.encode(opened))
    except OSError as error:
        raise ConfigError(
            f"{path}: the outputs cannot be written down for safe-outputs: "
            f"{error.strerror or error}; make its directory writable"
        ) from error


def read(path: Path) -> OpenedOutputs | None:
    """What was opened last; None where nothing is written down. ConfigError if it is damaged."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(LIMIT_BYTES), type=OpenedOutputs)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; start edged again") from error
