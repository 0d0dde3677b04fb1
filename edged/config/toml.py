"""TOML as text: parsing within limits, the lines of keys, and writing values.

The parser of the standard library gives no line numbers and takes quadratic time for a key of
thousands of parts, so a small tokeniser complements it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from edged.redact import redacted_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KeyPath: TypeAlias = tuple[str | int, ...]
"""The place of a value: keys of tables, and positions (from 0) in arrays."""

KEY_PARTS_LIMIT = 32
SHOWN_CHARACTERS = 60
SHOWN_DEPTH = 3
MESSAGE_LIMIT = 200

# Each string ends at its closing quote or, without one, at the end of the line or text: so the scan
# takes linear time for any text.
_TOKEN = re.compile(
    r'''(?P<string>"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5}|\Z)'''
    r"""|'''(?:[^']|'(?!''))*(?:'{3,5}|\Z)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*"?"""
    r"""|'[^'\n]*'?)"""
    r"|(?P<comment>\#[^\n]*)|(?P<bare>[\w-]+|[ \t]+)|(?P<mark>[^\w-])",
    re.DOTALL,
)

# Compiled when a mistake needs them.
_DECIMAL_COMMA = r"=\s*([+-]?\d+),(\d+)\s*(?:#.*)?$"
_UNIT = r"=\s*[+-]?[\d.]+\s*[A-Za-z%°]+\s*(?:#.*)?$"
_POSITION = r" \(at line (\d+), column (\d+)\)$"


class TomlSyntaxError(Exception):
    """The text is not TOML: what is wrong, and the line from 1, or None if unknown."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str) -> dict[str, Any]:
    """TOML to plain values. TomlSyntaxError."""
    _refuse_long_keys(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)[-MESSAGE_LIMIT:]
        position = re.search(_POSITION, message)
        if position is None:
            line = text.count("\n") + 1
        else:
            line, column = int(position[1]), int(position[2])
            message = f"column {column}: {message[: position.start()]}"
        raise TomlSyntaxError(message + _hint(message, text.split("\n")[line - 1]), line) from error
    except RecursionError as error:
        raise TomlSyntaxError("arrays or tables are nested too deeply") from error
    except ValueError as error:
        # A number with too many digits for Python, or a date that does not exist.
        raise TomlSyntaxError(str(error).partition(";")[0]) from error


def _hint(message: str, line: str) -> str:
    """The remedy for a common mistake, to append to the parser's `message`."""
    if comma := re.search(_DECIMAL_COMMA, line):
        return f"; write {comma[1]}.{comma[2]} with a decimal point"
    if re.search(_UNIT, line):
        return "; write the number alone, without a unit"
    if "Invalid value" in message:
        return "; text needs quotes"
    if "Cannot overwrite a value" in message:
        return "; this key is already set above, remove one"
    return ""


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of each table header and each key of `text`, which must be valid TOML.

    Keys within a value (an inline table, an array over several lines) have the line of that value.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in _statements(text):
        if statement.startswith("["):
            is_array = statement.startswith("[[")
            path = _in_arrays(_key(statement), counts, whole=not is_array)
            if is_array:
                lines.setdefault(path, line)
                counts[path] = counts.get(path, -1) + 1
                path = (*path, counts[path])
            table = path
        else:
            path = table + _key(statement + "=0")
        for length in range(len(table) or 1, len(path) + 1):
            lines.setdefault(path[:length], line)
    return lines


def value_text(value: object, depth: int = SHOWN_DEPTH) -> str:
    """`value` as TOML on one line, and JSON's null; levels deeper than `depth` are omitted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML has JSON's escapes, but JSON does not escape some control characters.
        return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, (list, tuple)):
        inside = ", ".join(value_text(item, depth - 1) for item in value) if depth else "..."
        return f"[{inside}]"
    if isinstance(value, Mapping):
        pairs = (f"{key_text(key)} = {value_text(item, depth - 1)}" for key, item in value.items())
        return f"{{{', '.join(pairs) if depth else '...'}}}"
    if isinstance(value, int) and value.bit_length() > 64:
        # Python refuses to write thousands of digits in decimal.
        return hex(value)
    return str(value)


def shown(value: object) -> str:
    """`value` for a message: as TOML, without secrets, shortened if long."""
    return cut(_public_text(value, SHOWN_DEPTH))


def _public_text(value: object, depth: int) -> str:
    if isinstance(value, str):
        # Shortened only afterwards: half of an address does not look like one.
        return value_text(redacted_value(value)[: SHOWN_CHARACTERS + 1])
    if isinstance(value, (list, tuple)) and depth:
        items = value[: SHOWN_CHARACTERS + 1]
        return f"[{', '.join(_public_text(item, depth - 1) for item in items)}]"
    # An unknown table may have any keys.
    return value_text(value, 0)


def cut(text: str) -> str:
    """`text` for a message: one printable line, shortened if long."""
    text = "".join(map(_escaped, text[: SHOWN_CHARACTERS + 1]))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def key_text(key: str) -> str:
    """A key as TOML: bare where it may be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else value_text(key)


def path_text(path: KeyPath) -> str:
    """``rule[1].labels`` for ``("rule", 1, "labels")``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{cut(key_text(part))}"
    return text


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _refuse_long_keys(text: str) -> None:
    dots, line = 0, 1
    for token in _TOKEN.finditer(text):
        if token["mark"] == ".":
            dots += 1
            if dots >= KEY_PARTS_LIMIT:
                raise TomlSyntaxError(f"a key of more than {KEY_PARTS_LIMIT} parts", line)
        elif token["mark"] is not None:
            dots = 0
        line += token[0].count("\n")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    # A statement ends at a line's end outside of brackets and strings. Only the key of an
    # assignment is yielded.
    line, first, depth = 1, 1, 0
    head: list[str] = []
    in_value = False
    for token in _TOKEN.finditer(text + "\n"):
        mark = token["mark"]
        if mark == "\n" and not depth:
            if statement := "".join(head).strip():
                yield first, statement
            head, in_value, first = [], False, line + 1
        elif mark is not None and mark in "[{":
            depth += 1
        elif mark is not None and mark in "]}":
            depth -= 1
        elif mark == "=" and not depth:
            in_value = True
        if not in_value and mark != "\n" and token["comment"] is None:
            head.append(token[0])
        line += token[0].count("\n")


def _key(statement: str) -> tuple[str, ...]:
    parts: list[str] = []
    node: Any = tomllib.loads(statement)
    while isinstance(node, (dict, list)) and node:
        if isinstance(node, list):
            node = node[0]
            continue
        part, node = next(iter(node.items()))
        parts.append(part)
    return tuple(parts)


def _in_arrays(key: tuple[str, ...], counts: Mapping[KeyPath, int], *, whole: bool) -> KeyPath:
    # A header below an array of tables refers to the array's last element.
    path: KeyPath = ()
    for position, part in enumerate(key):
        path = (*path, part)
        if path in counts and (whole or position < len(key) - 1):
            path = (*path, counts[path])
    return path
