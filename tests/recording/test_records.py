"""What is written is read again; whatever else is there ends the reading, and is never believed."""

from __future__ import annotations

import io
import random
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.config.schema import DecideConfig, RuleConfig
from edged.errors import EdgedError
from edged.recording import records as format_
from edged.recording.records import (
    MAGIC,
    AnyRecord,
    End,
    Header,
    Over,
    RecordingError,
    Records,
    Seen,
    Setup,
    packed,
)
from tests.recording.made import Loop, header, waiting


def some() -> list[AnyRecord]:
    """A recording, whole."""
    chance = random.Random(1)  # noqa: S311
    loop = Loop([RuleConfig(name="cat", labels=["cat"])], DecideConfig(smoothing_s=0.0))
    lane = loop.lane()
    loop.frames(*(chance.random() for _ in range(20)))
    loop.end()
    return [header(), *waiting(lane), End("it was asked to", 19, 9, 0)]


def stream(*records: AnyRecord) -> bytes:
    return MAGIC + b"".join(map(packed, records))


def read(data: bytes) -> tuple[list[AnyRecord], str | None]:
    records = Records(io.BytesIO(data), "a.rec")
    return [records.header, *records], records.broken


WHOLE = some()
BYTES = stream(*WHOLE)


def test_what_is_written_is_read_again() -> None:
    assert read(BYTES) == (WHOLE, None)
    kinds = {type(record) for record in WHOLE}
    assert kinds == {Header, Setup, Seen, Over, End}


def test_a_long_record_is_deflated_and_a_picture_is_not_made_longer() -> None:
    scores = Seen(1, 0.5, bytes(4000))
    assert len(packed(scores)) < 100
    assert len(packed(scores, deflate=False)) > 4000
    picture = Seen(1, 0.5, b"", jpeg=random.Random(1).randbytes(4000))  # noqa: S311
    assert len(packed(picture)) <= len(packed(picture, deflate=False))
    for record in (scores, picture):
        assert read(stream(header(), record))[0][1] == record


def test_wherever_it_is_cut_whole_records_come_before() -> None:
    beginning = len(stream(header()))
    for at in range(len(MAGIC), beginning):
        with pytest.raises(RecordingError, match=r"a\.rec: its beginning is cut short"):
            read(BYTES[:at])
    for at in range(beginning, len(BYTES)):
        found, broken = read(BYTES[:at])
        assert found == WHOLE[: len(found)]
        assert len(stream(*found)) <= at < len(stream(*WHOLE[: len(found) + 1]))
        assert broken is not None
        assert broken.startswith("cut short")


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found(place: int, change: int) -> None:
    changed = bytearray(BYTES)
    changed[place] ^= change
    if place < len(stream(header())):
        with pytest.raises(RecordingError, match=r"^a\.rec: .*\Z"):
            read(bytes(changed))
        return
    found, broken = read(bytes(changed))
    assert found == WHOLE[: len(found)]
    assert len(stream(*found)) <= place
    assert broken is not None


@given(st.binary(max_size=300))
def test_what_is_no_recording_is_refused_in_one_line(data: bytes) -> None:
    for text in (data, MAGIC + data):
        with pytest.raises(EdgedError) as told:
            read(text)
        assert str(told.value).startswith("a.rec: ")
        assert str(told.value).count("\n") == 0


def test_a_recording_of_another_version_says_which() -> None:
    newer = msgspec.structs.replace(header(), format=2, edged="9.9")
    with pytest.raises(RecordingError, match=r"format 2, made by edged 9\.9; .* reads format 1"):
        read(stream(newer))


def test_a_field_that_a_later_version_adds_is_passed_over() -> None:
    longer = [*msgspec.msgpack.decode(msgspec.msgpack.encode(Seen(7, 0.5, b""))), "more"]
    data = msgspec.msgpack.encode(longer)
    record = struct.pack("<IIB", len(data), zlib.crc32(data, 0), 0) + data
    assert read(stream(header()) + record)[0][1] == Seen(7, 0.5, b"")


def test_nothing_is_read_after_a_second_beginning() -> None:
    found, broken = read(stream(header(), *WHOLE))
    assert (found, broken) == ([header()], "damaged: it begins a second time")


def test_nothing_is_read_after_the_end() -> None:
    assert read(BYTES + b"more") == (WHOLE, None)


@pytest.mark.parametrize("coding", [0, 1, 2, 255])
def test_a_length_that_no_record_has_is_not_waited_for(coding: int) -> None:
    head = struct.pack("<IIB", 2**32 - 1, 0, coding)
    assert read(stream(header()) + head + bytes(100)) == ([header()], "damaged")


def test_a_record_that_inflates_without_end_is_not_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(format_, "RECORD_BYTES", 10_000)
    data = zlib.compress(bytes(1_000_000))
    record = struct.pack("<IIB", len(data), zlib.crc32(data, 1), 1) + data
    found, broken = read(stream(header()) + record)
    assert found == [header()]
    assert broken is not None
    assert "longer than any record" in broken


@given(st.recursive(st.none() | st.integers() | st.floats() | st.binary() | st.text(), st.lists))
def test_a_sound_record_that_says_nonsense_ends_the_reading(document: object) -> None:
    try:
        data = msgspec.msgpack.encode(document)
    except OverflowError:
        return
    record = struct.pack("<IIB", len(data), zlib.crc32(data, 0), 0) + data
    found, broken = read(stream(header()) + record)
    assert found == [header()]
    assert broken is not None
    assert broken.startswith("damaged, or of another edged")


def test_what_another_version_calls_itself_is_told_in_one_line() -> None:
    other = msgspec.structs.replace(header(), format=65, edged="0\x00\n9")
    with pytest.raises(RecordingError, match=r"format 65, made by edged 0\\x00\\n9; this edged"):
        read(stream(other))
