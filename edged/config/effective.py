"""The configuration as it takes effect, as TOML to read or to load again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from edged.config.schema import Config
from edged.config.toml import value_text

_WHOLE = 32
"""Deeper than any value of the schema."""


def effective(config: Config) -> str:
    """Every option with its value, defaults included; loading the text gives `config` again.

    Options of a rule that follow ``[decide]`` are absent. Passwords are in files, whose names are
    shown.
    """
    return "\n".join(_table(config, "")).lstrip("\n") + "\n"


def _table(table: msgspec.Struct, name: str) -> Iterator[str]:
    inner: list[tuple[str, Any]] = []
    for key in table.__struct_fields__:
        value = getattr(table, key)
        if isinstance(value, msgspec.Struct) or _is_array(value):
            inner.append((f"{name}.{key}" if name else key, value))
        elif value is not None:
            yield f"{key} = {value_text(value, _WHOLE)}"
    for header, value in inner:
        for element in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{header}]]" if isinstance(value, list) else f"[{header}]"
            yield from _table(element, header)


def _is_array(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], msgspec.Struct)
