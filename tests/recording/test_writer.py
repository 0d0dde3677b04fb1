"""A recording on its way to the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edged.recording import writer as writer_module
from edged.recording.records import End, RecordingError, Seen
from edged.recording.writer import FLUSH_S, SYNC_S, Writer
from tests.clocks import StandingClock
from tests.recording.made import header
from tests.recording.test_records import WHOLE, read


def seen(number: int) -> Seen:
    return Seen(number, float(number), bytes(16))


def test_it_writes_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        for record in WHOLE[:-1]:
            writer.write(record)
        writer.end("it was asked to")
    found, broken = read(path.read_bytes())
    assert (found[:-1], broken) == (WHOLE[:-1], None)
    frames = sum(isinstance(record, Seen) for record in WHOLE)
    events = sum(len(getattr(record, "events", ())) for record in WHOLE[:-1])
    assert found[-1] == End("it was asked to", frames, events, 0)
    assert (writer.frames, writer.events, writer.bytes) == (frames, events, path.stat().st_size)
    assert events > 0


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.rec"):
        pass
    assert (tmp_path / "a.rec").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("there", ["a file", "a link to nothing"])
def test_what_is_there_stays(tmp_path: Path, there: str) -> None:
    path = tmp_path / "a.rec"
    if there == "a file":
        path.write_bytes(b"precious")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match=r"a\.rec: there is such a file already; name another"):
        Writer(path)
    assert path.is_symlink() or path.read_bytes() == b"precious"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no/a\.rec: cannot be written: No such file"):
        Writer(tmp_path / "no" / "a.rec")


def test_records_reach_the_file_in_time_and_the_disk_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[float] = []
    clock = StandingClock()
    monkeypatch.setattr(writer_module.os, "fsync", lambda _: synced.append(clock.now_s))
    path = tmp_path / "a.rec"
    with Writer(path, clock=clock) as writer:
        writer.write(header())
        assert path.stat().st_size == 0
        clock.now_s = FLUSH_S
        writer.write(seen(1))
        assert read(path.read_bytes())[0] == [header(), seen(1)]
        clock.now_s = SYNC_S
        writer.write(seen(2))
        clock.now_s = SYNC_S + FLUSH_S
        writer.write(seen(3))
        assert synced == [SYNC_S]
    assert synced == [SYNC_S, SYNC_S + FLUSH_S]


def test_a_full_disk_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.rec"
    real, room = os.write, 100

    def write(file: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real(file, data[:room])
        room -= count
        return count

    writer = Writer(path, clock=(clock := StandingClock()))
    monkeypatch.setattr(writer_module.os, "write", write)

    def fill() -> None:
        with writer:
            writer.write(header())
            for number in range(100):
                clock.now_s += FLUSH_S
                writer.write(seen(number))

    with pytest.raises(RecordingError, match=r"a\.rec: cannot be written: No space left"):
        fill()
    found, broken = read(path.read_bytes())
    assert 1 < len(found) < 5
    assert found == [header(), *(seen(number) for number in range(len(found) - 1))]
    assert broken == "cut short"
