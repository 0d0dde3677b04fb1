"""Validates raw values against the types of the schema, and reports every problem."""

from __future__ import annotations

import contextlib
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeGuard, TypeVar, Union

import msgspec

from edged.config.nearest import did_you_mean, nearest
from edged.config.paths import PATHS
from edged.config.toml import KeyPath, TomlSyntaxError, parse, path_text, shown, value_text

T = TypeVar("T")

_REFUSED = (msgspec.ValidationError, UnicodeEncodeError)
"""The errors of msgspec: the second is for text that is not UTF-8 where only certain words are
allowed."""

_TRUTH = {"yes": True, "on": True, "no": False, "off": False}


_SYNONYMS = {
    "csi": "picamera2",
    "file": "video",
    "folder": "directory",
    "http": "video",
    "lamp": "led",
    "libcamera": "picamera2",
    "pir": "motion",
    "relay": "output",
    "rtsp": "video",
    "usb": "v4l2",
    "webcam": "v4l2",
}
"""Common names of choices that have another name here."""


class Problem(NamedTuple):
    """What is wrong with the value at a path.

    ``has_value`` is False if it is absent, or may be anything because it belongs to no option.
    """

    path: KeyPath
    value: object
    message: str
    has_value: bool = True

    def what(self, *, with_value: bool = True) -> str:
        """The path, and the value if there is one that may be shown."""
        value = f" = {shown(self.value)}" if with_value and self.has_value else ""
        return path_text(self.path) + value


@cache
def fields(struct: type) -> dict[str, Any]:
    """The keys of a table and their types, with ranges, in the order of the schema."""
    hints = typing.get_type_hints(struct, include_extras=True)
    return {name: hints[name] for name in struct.__struct_fields__}  # type: ignore[attr-defined]


@cache
def _required(struct: type) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(struct) if field.required)


def is_table(kind: Any) -> TypeGuard[type]:
    """Whether a type of the schema is a table with its own keys."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def table_of(kind: Any) -> type | None:
    """The table that an array of tables repeats; None for any other type."""
    kind = _bare(kind)
    if typing.get_origin(kind) is list and is_table(typing.get_args(kind)[0]):
        table: type = typing.get_args(kind)[0]
        return table
    return None


def accepts(kind: Any, value: object) -> bool:
    """Whether `value` is valid for a type that is not a table."""
    return not any(_value_problems(value, kind, ()))


def converted(raw: Mapping[str, Any], struct: type[T]) -> T | None:
    """The table as `struct`; None if it has problems, which `problems` reports but takes longer."""
    try:
        table = msgspec.convert(raw, struct)
    except _REFUSED:
        return None
    return table if _is_sound(raw) else None


def salvaged(raw: Mapping[str, Any], struct: type) -> Any:
    """The table with its valid values, and defaults for the rest.

    A required name is kept if it is text, so that references to it are found.
    """
    known = fields(struct)
    values: dict[str, Any] = {}
    for key in known.keys() & raw.keys():
        kind, value = known[key], raw[key]
        if is_table(kind):
            values[key] = salvaged(value if isinstance(value, Mapping) else {}, kind)
        elif (table := table_of(kind)) is not None:
            items = value if isinstance(value, list) else []
            values[key] = [salvaged(x if isinstance(x, Mapping) else {}, table) for x in items]
        elif accepts(kind, value):
            values[key] = msgspec.convert(value, kind)
    for key in _required(struct):
        values.setdefault(key, raw[key] if isinstance(raw.get(key), str) else "")
    return struct(**values)


def problems(raw: Mapping[str, Any], struct: type, path: KeyPath = ()) -> Iterator[Problem]:
    """All problems of a table, in the order of the text."""
    known = fields(struct)
    for key, value in raw.items():
        here = (*path, key)
        kind = known.get(key)
        table = _bare(kind)
        if kind is None:
            yield Problem(here, value, _unknown(key, struct), has_value=False)
        elif is_table(table):
            if isinstance(value, Mapping):
                yield from problems(value, table, here)
            elif not _converts(value, kind):
                message = f"expected a table: write [{'.'.join(map(str, here))}]"
                yield Problem(here, value, message, has_value=False)
        elif (repeated := table_of(kind)) is not None:
            yield from _array_problems(value, repeated, here)
        else:
            yield from _value_problems(value, kind, here)
    for key in _required(struct):
        if key not in raw:
            message = f"missing; expected {expected(known[key])}"
            yield Problem((*path, key), None, message, has_value=False)


def expected(kind: Any) -> str:
    """What a type allows, in words."""
    meta = _metas(kind)
    kind = _bare(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    for given in meta:
        # Of any other type, a description says what it is for.
        if given.description and (given.pattern or ... in arguments):
            return given.description
    if origin is Literal:
        values = ", ".join(value_text(value) for value in arguments)
        return values if len(arguments) == 1 else f"one of {values}"
    if origin in (Union, types.UnionType):
        return " or ".join(expected(a) for a in arguments if a is not type(None))
    if origin is list:
        most = next((f"at most {one.max_length} " for one in meta if one.max_length), "")
        return f"a list of {most}{_many(arguments[0])}"
    if origin is tuple:
        return f"a list of {len(arguments)} {_many(arguments[0])}"
    if origin is dict:
        return f"a table of {_many(arguments[1])}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[
        kind
    ] + _range(meta)


def _array_problems(value: object, table: type, path: KeyPath) -> Iterator[Problem]:
    if not isinstance(value, list):
        message = f"expected an array of tables: write [[{path[-1]}]]"
        yield Problem(path, value, message, has_value=False)
        return
    for position, item in enumerate(value):
        if isinstance(item, Mapping):
            yield from problems(item, table, (*path, position))
        else:
            message = f"expected a table: write [[{path[-1]}]]"
            yield Problem((*path, position), item, message, has_value=False)


def _value_problems(value: object, kind: Any, path: KeyPath) -> Iterator[Problem]:
    bare = _bare(kind)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin is list and isinstance(value, list):
        if any(one.max_length is not None and len(value) > one.max_length for one in _metas(kind)):
            yield Problem(path, value, f"expected {expected(kind)}")
        for position, item in enumerate(value):
            yield from _value_problems(item, arguments[0], (*path, position))
    elif (
        origin is tuple
        and ... not in arguments
        and isinstance(value, list)
        and len(value) == len(arguments)
    ):
        for position, (item, item_kind) in enumerate(zip(value, arguments, strict=True)):
            yield from _value_problems(item, item_kind, (*path, position))
    elif origin is dict and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _value_problems(item, arguments[1], (*path, key))
    elif isinstance(value, str) and not _is_clean(value, path):
        yield Problem(path, value, "expected text in UTF-8 without NUL characters")
    elif not _converts(value, kind, path):
        yield Problem(path, value, f"expected {expected(kind)}{_meant(value, kind)}")


def _converts(value: object, kind: Any, path: KeyPath = ()) -> bool:
    try:
        msgspec.convert(value, kind)
    except _REFUSED:
        return False
    return _is_sound(value, path)


def _is_sound(value: object, path: KeyPath = ()) -> bool:
    """Whether no text or number in it is one that msgspec accepts but edged does not.

    For values that msgspec has accepted: they are not deeper than the schema.
    """
    if isinstance(value, dict):
        return all(_is_sound(item, (*path, key)) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_sound, value))
    if isinstance(value, str):
        return _is_clean(value, path)
    # NaN passes the comparisons of a range.
    return not isinstance(value, float) or value - value == 0


def _is_clean(text: str, path: KeyPath) -> bool:
    try:
        # A file name may be any bytes, as from the command line and the environment.
        text.encode(errors="surrogateescape" if path in PATHS else "strict")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _meant(value: object, kind: Any) -> str:
    """``; did you mean X?`` for a value that is nearly valid."""
    candidates: list[object] = [[value]]
    if isinstance(value, str):
        literals = [a for a in _literals(kind) if isinstance(a, str)]
        candidates += [value.lower(), _SYNONYMS.get(value.lower()), nearest(value, literals)]
        with contextlib.suppress(TomlSyntaxError):
            candidates += parse(f"v = {value.strip().replace(',', '.', 1)}").values()
        if _bare(kind) is bool:
            candidates.append(_TRUTH.get(value.lower()))
    elif isinstance(value, bool):
        candidates.append(value_text(value))
    elif isinstance(value, (int, float)):
        candidates.append(str(value))
        if value in (0, 1) and _bare(kind) is bool:
            candidates.append(bool(value))
        elif isinstance(value, float) and value.is_integer():
            candidates.append(int(value))
    for candidate in candidates:
        if candidate is not None and _converts(candidate, kind):
            return f"; did you mean {shown(candidate)}?"
    return ""


def _unknown(key: str, struct: type) -> str:
    known = fields(struct)
    meant = did_you_mean(key, known)
    if not meant and (elsewhere := list(_tables_with(key))):
        top = "the top of the file, before the first [section]"
        meant = f"; {key} belongs to {' or '.join(table or top for table in elsewhere)}"
    return f"unknown key{meant}; allowed here: {', '.join(known)}"


def _tables_with(key: str) -> Iterator[str]:
    from edged.config.schema import Config

    yield from _search(key, Config, "")


def _search(key: str, struct: type, header: str) -> Iterator[str]:
    if key in fields(struct):
        yield header
    for name, kind in fields(struct).items():
        inner = f"{header[1:-1]}.{name}" if header else name
        if is_table(kind):
            yield from _search(key, kind, f"[{inner}]")
        elif (table := table_of(kind)) is not None:
            yield from _search(key, table, f"[[{inner}]]")


def _bare(kind: Any) -> Any:
    """The type without its ranges, and without None where that is its only alternative."""
    inner = _inner(kind)
    return kind if inner is None else _bare(inner)


def _inner(kind: Any) -> Any:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Annotated:
        return arguments[0]
    if typing.get_origin(kind) in (Union, types.UnionType):
        given = [one for one in arguments if one is not type(None)]
        return given[0] if len(given) == 1 else None
    return None


def _metas(kind: Any) -> list[msgspec.Meta]:
    inner = _inner(kind)
    own = [one for one in typing.get_args(kind) if isinstance(one, msgspec.Meta)]
    return own if inner is None else own + _metas(inner)


def _literals(kind: Any) -> Iterator[object]:
    kind = _bare(kind)
    if typing.get_origin(kind) is Literal:
        yield from typing.get_args(kind)
    elif typing.get_origin(kind) in (Union, types.UnionType):
        for inner in typing.get_args(kind):
            yield from _literals(inner)


def _many(kind: Any) -> str:
    plural = {str: "texts", float: "numbers", int: "whole numbers"}[_bare(kind)]
    return plural + _range(_metas(kind))


def _range(metas: list[msgspec.Meta]) -> str:
    words = ""
    for meta in metas:
        if meta.ge is not None and meta.le is not None:
            words += (
                f" from {meta.ge:g} to {meta.le:g}"
                if meta.le < 1e6
                else f" from {meta.ge} to {meta.le}"
            )
        elif meta.gt is not None and meta.le is not None:
            words += f" above {meta.gt:g}, at most {meta.le:g}"
        elif meta.max_length is not None:
            words += f" of at most {meta.max_length} characters"
    return words
