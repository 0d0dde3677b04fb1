"""Where the lessons of a configuration's model are. Imports nothing heavy: the daemon asks it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edged import paths
from edged.config.schema import Config
from edged.errors import ConfigError

SERVICE = Path("/var/lib/edged")
"""The state directory that the systemd units ask for."""

SUFFIX = ".taught"


def folder(config: Config) -> Path:
    """Where each model of a device has its file. ConfigError where there is no state directory.

    The daemon's own state directory, else the service's: for who teaches from a shell.
    """
    name = f"taught-{config.device}"
    own = paths.state_directory() / name
    others = (SERVICE / name, SERVICE / config.device / name)
    return next((place for place in (own, *others) if os.path.lexists(place)), own)


def place(config: Config, sha256: str, within: Path | None = None) -> Path:
    """The file for the model with this SHA-256, `within` the folder of a running daemon."""
    if config.teach.path:
        return Path(config.teach.path)
    return (within or folder(config)) / f"{sha256[:16]}{SUFFIX}"


def files(config: Config) -> list[Path]:
    """The files of all models that this device was taught with; none where teaching is off."""
    if not config.teach.enabled:
        return []
    if config.teach.path:
        path = Path(config.teach.path)
        return [path] if os.path.lexists(path) else []
    with suppress(OSError, ConfigError):
        return sorted(folder(config).glob(f"*{SUFFIX}"))
    return []
