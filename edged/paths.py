"""Where edged keeps its socket and its state: systemd's directories, else the user's own."""

from __future__ import annotations

import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.config.schema import Config

CONFIGURATIONS = Path("/etc/edged")
"""Where the services' configurations are: edged.toml, and NAME.toml for each ``edged@NAME``."""

SERVICE = Path("/run/edged")
"""The runtime directory of the systemd units."""

_CREDENTIAL = "credential:"


def runtime_directory() -> Path:
    """For the control socket: ``$RUNTIME_DIRECTORY``, else under ``$XDG_RUNTIME_DIR`` or /tmp."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0])
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "edged"
    # Takes a millisecond, and a service has a directory of its own.
    import tempfile

    return Path(tempfile.gettempdir()) / f"edged-{os.getuid()}"


def opened_outputs(configuration: Path | None) -> Path:
    """Where a daemon with this configuration records the outputs that it opens.

    Found without reading the configuration, which may be wrong by then.
    """
    return runtime_directory() / f"outputs-{mark_of(configuration)}.json"


def mark_of(configuration: Path | None) -> str:
    """A mark that distinguishes the files of one configuration from those of another."""
    name = os.fsencode(os.path.realpath(configuration)) if configuration else b""
    return f"{binascii.crc32(name):08x}"


def state_directory() -> Path:
    """For what must survive a restart: ``$STATE_DIRECTORY``, else under the user's state home.

    ConfigError if there is neither.
    """
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if given := os.environ.get("XDG_STATE_HOME"):
        return Path(given) / "edged"
    if (own := home()) is None:
        raise ConfigError(
            f"user {os.getuid()} has no home directory to keep edged's state in: "
            "set the environment variable XDG_STATE_HOME or HOME"
        )
    return own / ".local" / "state" / "edged"


def cache_directory() -> Path | None:
    """For reproducible data: ``$CACHE_DIRECTORY``, else under the user's cache home.

    None if there is neither.
    """
    if given := os.environ.get("CACHE_DIRECTORY"):
        return Path(given.split(":")[0])
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "edged"
    own = home()
    return None if own is None else own / ".cache" / "edged"


def home() -> Path | None:
    """The user's home directory; None if this user has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def bundled_model() -> Path:
    """The bundled model: in the package if installed, else in the checkout."""
    name = "edged-cifar10-int8.tflite"
    packaged = Path(__file__).parent / "bundled" / name
    return packaged if packaged.exists() else Path(__file__).parent.parent / "models" / name


def credential(path: str) -> Path:
    """A secret's file: ``credential:NAME`` is systemd's, under ``$CREDENTIALS_DIRECTORY``."""
    if (name := credential_name(path)) is None:
        return Path(path)
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / name


def credential_name(path: str) -> str | None:
    """NAME if `path` is ``credential:NAME``."""
    return path.removeprefix(_CREDENTIAL) if path.startswith(_CREDENTIAL) else None


def in_unit() -> bool:
    """Whether systemd has given this process its unit's credentials."""
    return "CREDENTIALS_DIRECTORY" in os.environ


def control_socket(config: Config) -> Path:
    """The socket on which this configuration's daemon listens."""
    if config.control.socket:
        return Path(config.control.socket)
    return runtime_directory() / f"{config.device}.sock"


def running_socket(config: Config) -> Path:
    """Where a client looks for that daemon: at the user's own socket, else at the service's."""
    own, service = control_socket(config), SERVICE / f"{config.device}.sock"
    return service if not may_exist(own) and may_exist(service) else own


def may_exist(path: Path) -> bool:
    """Whether it exists, or is in a folder that this user cannot read."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True
