"""File names of the configuration, as absolute paths."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path
from typing import TypeVar

import msgspec

from edged.cameras.kinds import KINDS, kind_of
from edged.config.schema import Config
from edged.config.toml import KeyPath
from edged.models.naming import is_name

_Table = TypeVar("_Table", bound=msgspec.Struct)

SOURCE = ("camera", "source")

PATHS = (
    SOURCE,
    ("model", "path"),
    ("model", "labels"),
    ("model", "delegate"),
    ("teach", "path"),
    ("mqtt", "username_file"),
    ("mqtt", "password_file"),
    ("mqtt", "tls", "ca_file"),
    ("mqtt", "tls", "cert_file"),
    ("mqtt", "tls", "key_file"),
    ("journal", "path"),
    ("control", "socket"),
    ("web", "search_folder"),
    ("web", "token_file"),
    ("web", "tls", "cert_file"),
    ("web", "tls", "key_file"),
    ("web", "tls", "client_ca_file"),
)
"""The options that name a file or a folder."""


def rooted(config: Config, folder: Path | None, overridden: Container[KeyPath]) -> Config:
    """`config` with every path absolute and ``~`` expanded.

    Paths in the file start at its `folder`; those `overridden` from outside start at the working
    directory. ``credential:NAME``, addresses and device names are left as they are.
    """
    for path in PATHS:
        kind = config.camera.kind
        if path == SOURCE and (kind == "auto" or not KINDS[kind].is_file):
            continue
        start = _start(path, folder, overridden)
        if path == ("model", "path") and is_name(config.model.path, start):
            continue
        config = _replaced(config, path, start)
    webhooks = list(config.webhook)
    for position in range(len(webhooks)):
        for key in ("secret_file", "ca_file"):
            start = _start(("webhook", position, key), folder, overridden)
            webhooks[position] = _replaced(webhooks[position], (key,), start)
    return msgspec.structs.replace(config, webhook=webhooks)


def with_camera_kind(config: Config, folder: Path | None, overridden: Container[KeyPath]) -> Config:
    """`config` with the kind that ``camera.source`` implies, if none is set."""
    camera = config.camera
    if camera.kind != "auto" or not camera.source:
        return config
    kind = kind_of(camera.source, _start(SOURCE, folder, overridden)) or camera.kind
    return msgspec.structs.replace(config, camera=msgspec.structs.replace(camera, kind=kind))


def _start(path: KeyPath, folder: Path | None, overridden: Container[KeyPath]) -> Path:
    outside = any(path[:length] in overridden for length in range(1, len(path) + 1))
    return Path.cwd() if folder is None or outside else folder


def _replaced(table: _Table, path: tuple[str, ...], start: Path) -> _Table:
    key, inner = path[0], path[1:]
    value = getattr(table, key)
    changed = _replaced(value, inner, start) if inner else _absolute(value, key, start)
    return msgspec.structs.replace(table, **{key: changed})


def _absolute(value: str, key: str, start: Path) -> str:
    if not value or value.startswith("credential:") or "://" in value:
        return value
    if key == "delegate" and "/" not in value:
        # The dynamic loader searches for a bare library name itself.
        return value
    # pathlib's expanduser() raises for an unknown user; such a name is that of a file.
    return str(start / os.path.expanduser(value))  # noqa: PTH111
