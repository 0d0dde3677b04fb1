"""Secrets in files, read when they are used: a new one needs no restart."""

from __future__ import annotations

from collections.abc import Mapping

from edged import paths
from edged.errors import ConfigError, PortError

SECRET_BYTES = 65535
"""The longest secret; of a user name or password also the longest that MQTT can carry."""


def must_be_there(files: Mapping[str, str]) -> None:
    """ConfigError for a file, by its option, that is not there; empty is none.

    One that cannot be read may become readable, so that is found when it is used.
    """
    for option, file in files.items():
        try:
            absent = file and not paths.credential(file).is_file()
        except PermissionError:
            absent = False
        if absent:
            raise ConfigError(f"{option}: {paths.credential(file)} is not there; check the path")


def secret(option: str, file: str) -> str | None:
    """What a file says, without its last line break; None where none is set. PortError."""
    if not file:
        return None
    path = paths.credential(file)
    try:
        with path.open(encoding="utf-8") as opened:
            text = opened.read(SECRET_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise PortError(f"{option}: {path} cannot be read: {error}") from error
    if len(text.encode()) > SECRET_BYTES:
        raise PortError(f"{option}: {path} is too long for a secret")
    return text.rstrip("\r\n")
