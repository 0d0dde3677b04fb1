"""Tables are read by the layout of FlatBuffers, and a lying offset is told as damage."""

from __future__ import annotations

import struct

import pytest

from edged.inference.flatbuffer import DamagedError, Table, root

# A root table at 20 with four fields: int16 7, int32 -5, no field, text "cat"; its vtable at 8.
VTABLE = struct.pack("<6H", 12, 16, 12, 4, 0, 8)
TABLE = struct.pack("<iiIhh", 12, -5, 8, 7, 0)
CONTENT = struct.pack("<I4s", 20, b"TEST") + VTABLE + TABLE + struct.pack("<I3s", 3, b"cat")


def read(content: bytes) -> tuple[int, int, int, str]:
    table = root(content, b"TEST")
    return table.number(0, "h"), table.number(1, "i"), table.number(2, "i"), table.text(3)


def test_fields_are_found_through_the_vtable_and_absent_ones_are_the_default() -> None:
    assert read(CONTENT) == (7, -5, 0, "cat")
    table = root(CONTENT, b"TEST")
    assert table.number(9, "i") == 0
    assert table.text(9) == ""
    assert table.table(9) is None
    assert table.integers(9) == ()
    assert list(table.tables(9)) == []


def test_another_identifier_is_refused() -> None:
    with pytest.raises(DamagedError, match="identifier"):
        root(CONTENT, b"TFL3")


def test_a_file_cut_short_anywhere_is_told_as_damage() -> None:
    for length in range(len(CONTENT)):
        with pytest.raises(DamagedError):
            read(CONTENT[:length])


@pytest.mark.parametrize("value", [0, 1, 0x7F, 0x80, 0xFF])
def test_any_wrong_byte_is_read_or_told_as_damage(value: int) -> None:
    for position in range(len(CONTENT)):
        damaged = bytearray(CONTENT)
        damaged[position] = value
        try:
            read(bytes(damaged))
        except DamagedError:
            continue


def test_a_vector_longer_than_any_model_is_not_walked_through() -> None:
    endless = CONTENT[:-7] + struct.pack("<I3s", 0xFFFFFFFF, b"cat")
    table = root(endless, b"TEST")
    for walk in (table.integers, table.raw, lambda field: list(table.tables(field))):
        with pytest.raises(DamagedError):
            walk(3)


def test_a_position_before_the_beginning_is_told_as_damage() -> None:
    with pytest.raises(DamagedError):
        Table(struct.pack("<i", 1000), 0)


def test_a_name_that_could_not_stand_in_a_message_is_told_as_damage() -> None:
    for name in (b"c\nt", b"\x1b[m", b"\xffat"):
        with pytest.raises(DamagedError, match="name"):
            root(CONTENT[:-3] + name, b"TEST").text(3)
