"""Reads tables of a FlatBuffers file field by field, and checks every offset.

The layout is that of https://flatbuffers.dev/internals/. Only the few fields that edged needs are
read, so a generated schema, which costs tens of milliseconds to import, is not needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias, cast

from edged.errors import ModelError

Bytes: TypeAlias = "bytes | memoryview"

MAX_ITEMS = 1 << 20
"""The most items of a vector: more than in any model, but few enough to iterate over."""


_NUMBERS = {format_: struct.Struct("<" + format_) for format_ in "bBhHiIqQf"}
_UNPACK = {format_: number.unpack_from for format_, number in _NUMBERS.items()}


class DamagedError(ModelError):
    """An offset or a length points outside the file, or a text is not valid: `what`, in words."""

    def __init__(self, what: str, file: str = "the model") -> None:
        super().__init__(f"{file} is damaged or cut short ({what}): copy the model file again")
        self.what = what


def root(data: Bytes, identifier: bytes) -> Table:
    """The root table of a whole file, which must carry `identifier` at byte 4."""
    if bytes(data[4:8]) != identifier:
        raise DamagedError(f"the identifier is not {identifier.decode()}")
    return Table(data, _number(data, 0, "I"))


def _number(data: Bytes, position: int, format_: str) -> int:
    if position >= 0:
        try:
            number: int = _UNPACK[format_](data, position)[0]
            return number
        except struct.error:
            pass
    raise DamagedError(f"byte {position} is beyond the end")


def _unpack(data: Bytes, position: int, format_: str, count: int) -> tuple[float, ...]:
    size_bytes = _NUMBERS[format_].size * count
    if position < 0 or position + size_bytes > len(data):
        raise DamagedError(f"byte {position} is beyond the end")
    return struct.unpack_from(f"<{count}{format_}", data, position)


class Table:
    """One table.

    Fields are numbered from 0 in the order of the schema; an absent one has its default, 0 or
    empty. Every method raises DamagedError. Formats are those of `struct`, limited to `_NUMBERS`.
    """

    __slots__ = ("_data", "_position", "_vtable", "_vtable_bytes")

    def __init__(self, data: Bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - _number(data, position, "i")
        self._vtable_bytes = _number(data, self._vtable, "H")

    def _field(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._vtable_bytes:
            return None
        offset = _number(self._data, self._vtable + slot, "H")
        return self._position + offset if offset else None

    def _follow(self, field: int) -> int | None:
        position = self._field(field)
        return None if position is None else position + _number(self._data, position, "I")

    def _vector(self, field: int) -> tuple[int, int]:
        """The position of the items, and their number."""
        position = self._follow(field)
        if position is None:
            return 0, 0
        return position + 4, _number(self._data, position, "I")

    def position(self, field: int) -> int:
        """The byte of the file at which `field` begins, 0 if it is absent."""
        return self._field(field) or 0

    def number(self, field: int, format_: str) -> int:
        position = self._field(field)
        return 0 if position is None else _number(self._data, position, format_)

    def table(self, field: int) -> Table | None:
        position = self._follow(field)
        return None if position is None else Table(self._data, position)

    def tables(self, field: int) -> Iterator[Table]:
        start, count = self._vector(field)
        if count > MAX_ITEMS:
            raise DamagedError(f"{count} items are too many")
        for position in range(start, start + 4 * count, 4):
            yield Table(self._data, position + _number(self._data, position, "I"))

    def numbers(self, field: int, format_: str) -> tuple[float, ...]:
        start, count = self._vector(field)
        if count > MAX_ITEMS:
            raise DamagedError(f"{count} items are too many")
        return _unpack(self._data, start, format_, count)

    def integers(self, field: int) -> tuple[int, ...]:
        """A vector of int32."""
        return cast("tuple[int, ...]", self.numbers(field, "i"))

    def raw(self, field: int) -> Bytes:
        """A vector of bytes, not copied."""
        start, count = self._vector(field)
        if start + count > len(self._data):
            raise DamagedError(f"byte {start + count} is beyond the end")
        return self._data[start : start + count]

    def text(self, field: int) -> str:
        """A name: UTF-8 without control characters, so that it can be part of a message."""
        try:
            text = bytes(self.raw(field)).decode()
        except UnicodeDecodeError as error:
            raise DamagedError(f"a name is not UTF-8: {error}") from error
        if not text.isprintable():
            raise DamagedError("a name is not printable")
        return text
