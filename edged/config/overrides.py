"""Options from the environment and from ``--set``, which override the file's values."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edged.cameras.kinds import kind_of
from edged.config.nearest import did_you_mean, listed
from edged.config.schema import Config
from edged.config.toml import KeyPath, TomlSyntaxError, cut, parse
from edged.config.validate import accepts, fields, is_table, table_of

PREFIX = "EDGED_"
_KEY = re.compile(r"[\w.\-]*")

NOT_OPTIONS = frozenset({"EDGED_CONFIG", "EDGED_KERNELS", "EDGED_MODEL_KEY", "EDGED_MODELS"})
"""Variables of edged that are not options."""


class Origin(NamedTuple):
    """Where a value was set: ``--set camera.fps``, and the text there."""

    name: str
    text: str


def apply(
    raw: dict[str, Any], overrides: Sequence[str], environment: Mapping[str, str]
) -> tuple[dict[KeyPath, Origin], list[str]]:
    """Change `raw` in place; ``--set`` wins over the environment, and the later over the earlier.

    Returns the origin of each path that was set, for messages, and a line for each override that
    cannot be applied; such a line omits the value, which may be a secret. A camera's source that is
    clearly of another kind than the file says brings that kind. A key that does not exist is set
    all the same: the later validation then reports what is allowed.
    """
    origins: dict[KeyPath, Origin] = {}
    wrong: list[str] = []
    for name, text in sorted(environment.items()):
        if name.upper().startswith(PREFIX) and name.upper() not in NOT_OPTIONS:
            origin = Origin(f"environment {cut(name)}", text)
            parts = name[len(PREFIX) :].lower().split("__")
            _lay(raw, parts, text, origin, origins, wrong)
    for override in overrides:
        key, equals, text = override.partition("=")
        origin = Origin(f"--set {cut(key.strip())}", text.strip())
        if not equals:
            wrong.append(f"--set {_begin(key)}: expected KEY=VALUE such as camera.fps=10")
            continue
        try:
            parts = _parts(key)
        except TomlSyntaxError:
            wrong.append(f"--set {_begin(key)}: this is not a key; expected one such as camera.fps")
            continue
        _lay(raw, parts, origin.text, origin, origins, wrong)
    if ("camera", "source") in origins and ("camera", "kind") not in origins:
        _suit(raw["camera"])
    return origins, wrong


def _suit(camera: dict[str, Any]) -> None:
    """Let another source bring its own kind: the file's is that of the file's source."""
    source = camera["source"]
    if isinstance(source, str) and kind_of(source, Path.cwd()) not in (None, camera.get("kind")):
        camera["kind"] = "auto"


def _lay(
    raw: dict[str, Any],
    parts: Sequence[str],
    text: str,
    origin: Origin,
    origins: dict[KeyPath, Origin],
    wrong: list[str],
) -> None:
    try:
        origins[_assign(raw, Config, parts, text)] = origin
    except LookupError as error:
        wrong.append(f"{origin.name}: {error.args[0]}")


def _begin(text: str) -> str:
    """The part of `text` that looks like a key; the rest may be a value."""
    return cut("".join(_KEY.findall(text.strip())[:1]))


def _parts(key: str) -> list[str]:
    parts = []
    node: Any = parse(f"{key}=0")
    while isinstance(node, dict) and len(node) == 1:
        part, node = next(iter(node.items()))
        parts.append(part)
    if node != 0:
        raise TomlSyntaxError("not a dotted key")
    return parts


def _assign(table: dict[str, Any], struct: type, parts: Sequence[str], text: str) -> KeyPath:
    # The schema is walked in parallel: it distinguishes tables, arrays and values.
    part, rest = parts[0], parts[1:]
    kind = fields(struct).get(part)
    if rest and is_table(kind):
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise LookupError(f"{part} is not a table")
        return (part, *_assign(inner, kind, rest, text))
    if rest and (array := table_of(kind)) is not None:
        elements = table.get(part, [])
        position = _position(elements, rest[0], part)
        if len(rest) == 1:
            elements[position] = _value(text, None)
            return (part, position)
        return (part, position, *_assign(elements[position], array, rest[1:], text))
    if len(rest) == 1 and typing.get_origin(kind) is dict:
        options = table.setdefault(part, {})
        if not isinstance(options, dict):
            raise LookupError(f"{part} is not a table")
        options[rest[0]] = _value(text, typing.get_args(kind)[1])
        return (part, rest[0])
    table[part] = _nested(rest, _value(text, None if rest else kind))
    return (part,)


def _position(elements: Any, wanted: str, part: str) -> int:
    if not isinstance(elements, list) or not all(isinstance(e, dict) for e in elements):
        raise LookupError(f"{part} is not an array of tables")
    names = [str(element.get("name", "")) for element in elements]
    known = [name for name in names if name]
    folded = [name.casefold() for name in names]
    if wanted in names:
        return names.index(wanted)
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and int(wanted[:9]) < len(elements):
        return int(wanted[:9])
    hint = did_you_mean(wanted, known)
    raise LookupError(f"there is no {part} {wanted}{hint}; there are: {listed(known)}")


def _nested(parts: Sequence[str], value: object) -> object:
    for part in reversed(parts):
        value = {part: value}
    return value


def _value(text: str, kind: Any) -> object:
    # TOML if it fits the option, so that 10 is a number; else text, which needs no quotes.
    try:
        tree = parse(f"value = {text}")
    except TomlSyntaxError:
        return text
    if tree.keys() != {"value"}:
        return text
    value: object = tree["value"]
    if kind is None or is_table(kind) or table_of(kind) or accepts(kind, value):
        return value
    return text if accepts(kind, text) else value
