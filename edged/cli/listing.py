"""A document as lines for people: one fact per line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def fact_lines(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """``NAME: VALUE`` for each fact of a JSON `document`, those of tables under dotted names.

    Null values are omitted, and an empty list is ``-``.
    """
    for name, value in document.items():
        if isinstance(value, dict):
            yield from fact_lines(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, item in enumerate(value):
                yield from fact_lines(item, f"{prefix}{name}.{number}.")
        elif value is not None:
            yield f"{prefix}{name}: {_words(value)}"


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
