"""Which parts of a new configuration a running daemon can apply."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec

from edged.config import check
from edged.config.schema import Config

RELOADABLE = (
    "camera.privacy",
    "camera.region",
    "decide.*",
    "drift.*",
    "idle.*",
    "log.level",
    "model.*",
    "mqtt.classification_hz",
    "mqtt.classification_top",
    "mqtt.health_s",
    "mqtt.image*",
    "rule",
    "swap.*",
    "teach.*",
)
"""Dotted names of the options that may change while the daemon runs."""

_Table = TypeVar("_Table", bound=msgspec.Struct)


def reloadable(old: Config, new: Config) -> tuple[Config, list[str]]:
    """The configuration to continue with, and the changed options that need a restart.

    Options that need a restart keep their old values. If old and new values do not fit each other
    (a kept output names a removed rule), nothing is applied and every changed option is named.
    """
    kept: list[str] = []
    merged = _merged(old, new, "", kept)
    if next(check.problems(merged), None) is None:
        return merged, kept
    return old, _changed(old, new, "")


def _merged(old: _Table, new: _Table, prefix: str, kept: list[str]) -> _Table:
    values = {}
    for key in old.__struct_fields__:
        before, after = getattr(old, key), getattr(new, key)
        name = prefix + key
        if isinstance(before, msgspec.Struct):
            values[key] = _merged(before, after, f"{name}.", kept)
        elif before == after or any(fnmatchcase(name, pattern) for pattern in RELOADABLE):
            values[key] = after
        else:
            kept.append(name)
            values[key] = before
    return msgspec.structs.replace(old, **values)


def _changed(old: msgspec.Struct, new: msgspec.Struct, prefix: str) -> list[str]:
    names: list[str] = []
    for key in old.__struct_fields__:
        before, after = getattr(old, key), getattr(new, key)
        if isinstance(before, msgspec.Struct):
            names += _changed(before, after, f"{prefix}{key}.")
        elif before != after:
            names.append(prefix + key)
    return names
