"""Secrets in files, read at each use: a new one needs no restart."""

from __future__ import annotations

import os
from collections.abc import Mapping

from edged import paths
from edged.errors import ConfigError, PortError
from edged.files import open_regular
from edged.redact import public_path

SECRET_BYTES = 65535
"""The longest secret; also the longest user name or password that MQTT can carry."""


def must_be_there(files: Mapping[str, str]) -> None:
    """ConfigError with a line for each missing file, by its option; an empty name means no file.

    An unreadable file may become readable, so that is checked at use.
    """
    problems = [
        f"{option}: {problem}" for option, file in files.items() if (problem := _lack(file))
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _lack(file: str) -> str | None:
    if not file:
        return None
    path = paths.credential(file)
    if not paths.may_exist(path):
        return _absence(file)
    if os.path.isdir(path):  # noqa: PTH112 (that of pathlib raises)
        return f"{path} is a folder; name the file in it"
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return f"{path} is not a regular file; name one"
    return None


def _absence(file: str) -> str:
    if (name := paths.credential_name(file)) is not None:
        return (
            f"there is no systemd credential {name} here: only a unit with LoadCredential for it "
            "has one; add that to edged's unit, or name a file instead"
        )
    return f"{public_path(file)} does not exist; check the path"


def is_elsewhere(file: str) -> bool:
    """Whether it is a systemd credential, which this process, outside of a unit, cannot have."""
    return paths.credential_name(file) is not None and not paths.in_unit()


def secret(option: str, file: str) -> str | None:
    """The content of a file, without its last line break; None if none is set. PortError."""
    if not file:
        return None
    path = paths.credential(file)
    try:
        with open_regular(path) as opened:
            content = opened.read(SECRET_BYTES + 1)
    except FileNotFoundError as error:
        raise PortError(f"{option}: {_absence(file)}") from error
    except OSError as error:
        reason = error.strerror or error
        raise PortError(f"{option}: {public_path(path)} cannot be read: {reason}") from error
    if len(content) > SECRET_BYTES:
        raise PortError(f"{option}: {path} is too long for a secret")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        reason = "it is not UTF-8 text"
        raise PortError(f"{option}: {public_path(path)} cannot be read: {reason}") from error
    return text.rstrip("\r\n")
