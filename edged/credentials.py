"""Secrets in files, read when they are used: a new one needs no restart."""

from __future__ import annotations

import os
from collections.abc import Mapping

from edged import paths
from edged.errors import ConfigError, PortError
from edged.redact import public_path

SECRET_BYTES = 65535
"""The longest secret; of a user name or password also the longest that MQTT can carry."""


def must_be_there(files: Mapping[str, str]) -> None:
    """ConfigError for a file, by its option, that is not there; empty is none.

    A file that cannot be read may become readable, so that is found when it is used.
    """
    for option, file in files.items():
        path = paths.credential(file)
        if file and not paths.may_exist(path):
            raise ConfigError(f"{option}: {public_path(path)} is not there; check the path")
        if file and os.path.isdir(path):  # noqa: PTH112 (that of pathlib raises)
            raise ConfigError(f"{option}: {path} is a folder; name the file in it")


def secret(option: str, file: str) -> str | None:
    """What a file says, without its last line break; None where none is set. PortError."""
    if not file:
        return None
    path = paths.credential(file)
    try:
        with path.open(encoding="utf-8") as opened:
            text = opened.read(SECRET_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PortError(f"{option}: {public_path(path)} cannot be read: {reason}") from error
    if len(text.encode()) > SECRET_BYTES:
        raise PortError(f"{option}: {path} is too long for a secret")
    return text.rstrip("\r\n")
