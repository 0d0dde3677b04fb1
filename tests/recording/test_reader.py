"""What a recording says is checked before anybody decides on it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edged.config.schema import RuleConfig
from edged.recording.reader import RecordedFrame, Recording
from edged.recording.records import AnyRecord, End, Over, RecordingError, Seen, Setup, packed
from tests.recording.made import Loop, header, waiting, written
from tests.recording.test_records import BYTES, stream


def made() -> tuple[Setup, Seen]:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane()
    loop.frames(0.1, 0.5)
    setup, seen = waiting(lane)
    assert isinstance(setup, Setup)
    assert isinstance(seen, Seen)
    return setup, seen


SETUP, SEEN = made()


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def frames(path: Path, *records: AnyRecord) -> list[RecordedFrame]:
    path.write_bytes(stream(header(), SETUP, *records))
    with Recording(path) as recording:
        return [entry for entry in recording if isinstance(entry, RecordedFrame)]


def test_scores_are_those_of_all_classes(tmp_path: Path) -> None:
    (frame,) = frames(tmp_path / "a.rec", SEEN)
    assert frame.scores.dtype == np.float32
    assert frame.scores.tolist() == pytest.approx([0.0, 0.5, 0.0, 0.0])
    assert frame.given is None
    assert (frame.number, frame.captured_s, frame.features, frame.jpeg) == (
        2,
        SEEN.captured_s,
        None,
        b"",
    )


def test_scores_of_some_classes_leave_the_others_at_0(tmp_path: Path) -> None:
    some = replace(SEEN, scores=floats(0.25, 0.5), classes=struct.pack("<2I", 3, 1))
    (frame,) = frames(tmp_path / "a.rec", some)
    assert frame.scores.tolist() == [0.0, 0.5, 0.0, 0.25]
    assert frame.given is not None
    assert frame.given.tolist() == [3, 1]


def test_no_scores_are_those_of_the_frame_before(tmp_path: Path) -> None:
    first, second = frames(tmp_path / "a.rec", SEEN, replace(SEEN, number=3, scores=b""))
    assert second.scores is first.scores


def test_features_and_pictures_come_as_they_were(tmp_path: Path) -> None:
    (frame,) = frames(tmp_path / "a.rec", replace(SEEN, features=floats(4.0, 0.5), jpeg=b"jpeg"))
    assert frame.features is not None
    assert frame.features.tolist() == [4.0, 0.5]
    assert frame.jpeg == b"jpeg"


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (replace(SEEN, scores=b""), "frame 2 has no scores"),
        (replace(SEEN, scores=b"123"), "frame 2 has a part of a number"),
        (replace(SEEN, features=b"123"), "frame 2 has a part of a number"),
        (replace(SEEN, scores=floats(0.1)), "frame 2 has 1 scores for 4 labels"),
        (replace(SEEN, classes=struct.pack("<I", 1)), "frame 2 has scores of other classes"),
        (
            replace(SEEN, scores=floats(0.1), classes=struct.pack("<I", 4)),
            "frame 2 has scores of other classes",
        ),
        (replace(SEEN, scores=floats(0.0, float("nan"), 0.0, 0.0)), "cannot be"),
        (replace(SEEN, scores=floats(0.0, 1.5, 0.0, 0.0)), "cannot be"),
        (replace(SEEN, scores=floats(0.0, -0.5, 0.0, 0.0)), "cannot be"),
        (replace(SEEN, captured_s=float("inf")), "cannot be"),
        (replace(SEEN, captured_s=float("nan")), "cannot be"),
    ],
)
def test_what_cannot_be_is_told_and_not_decided_on(
    record: AnyRecord, told: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=rf"a\.rec: .*{told}; the file is damaged"):
        frames(tmp_path / "a.rec", record)


@pytest.mark.parametrize("record", [SEEN, Over(1.0, "camera", "")])
def test_what_decides_comes_before_what_is_decided(record: AnyRecord, tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(stream(header(), record))
    with Recording(path) as recording, pytest.raises(RecordingError, match="comes before what"):
        list(recording)


def test_a_whole_one_has_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(BYTES)
    with Recording(path) as recording:
        entries = list(recording)
    assert (recording.end, recording.broken) == (End("it was asked to", 19, 9, 0), None)
    assert [type(entry) for entry in entries[:2]] == [Setup, RecordedFrame]
    assert isinstance(entries[-1], Over)


def test_one_that_is_cut_short_says_up_to_where_it_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane()
    loop.frames(0.1, 0.5, 0.6)
    whole = written(path, lane, whole=False).read_bytes()
    path.write_bytes(whole[:-1])
    with Recording(path) as recording:
        assert len(list(recording)) == 2
    sound = len(whole) - len(packed(Seen(3, loop.now_s, bytes(16))))
    assert recording.broken == (
        f"{path}: cut short within a record; only what comes before byte {sound} was used"
    )
    assert recording.end is None


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (None, "No such file or directory; give a recording"),
        (b"", "not a recording of edged"),
        (b"\xff\xd8\xff\xe0 a picture", "not a recording of edged"),
        (BYTES[:12], "its beginning is cut short within a record; record again"),
        ("a pipe", "not a regular file; give a recording"),
        ("a folder", "; give a recording"),
    ],
)
def test_what_is_no_recording_is_one_line(
    there: bytes | str | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.rec"
    if there == "a pipe":
        os.mkfifo(path)
    elif there == "a folder":
        path.mkdir()
    elif isinstance(there, bytes):
        path.write_bytes(there)
    with pytest.raises(RecordingError) as error:
        Recording(path)
    assert str(error.value).startswith(f"{path}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)
