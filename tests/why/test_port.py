"""What is kept around events, and what becomes of it when things go wrong."""

from __future__ import annotations

import errno
import logging
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edged.commands import Reply, Request, TellWhy
from edged.config.schema import RuleConfig, WhyConfig
from edged.core import Ended, Event
from edged.errors import CommandError
from edged.imaging.picture import decode_jpeg
from edged.recording.entries import Sight
from edged.recording.reader import RecordedFrame, Recording
from edged.recording.records import RecordingError, Setup
from edged.recording.replay import replay
from edged.recording.writer import Writer
from edged.why import excerpt as excerpt_module
from edged.why import folder as files
from edged.why import port as port_module
from edged.why.folder import excerpts
from edged.why.port import RETRY_S, WhyPort
from edged.why.ring import ENTRY_BYTES
from tests.mosquitto import wait_until
from tests.recording.made import Counted, Loop
from tests.why.made import CAT, PLAIN, keeping

LOW, HIGH = [0.1] * 4, [0.0, 0.9, 0.0, 0.0]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def folder(journal: Path) -> Path:
    return journal.with_name("events.db.why")


def names(journal: Path) -> list[str]:
    return [excerpt.path.name for excerpt in excerpts(folder(journal))]


def read(path: Path) -> list[Setup | RecordedFrame]:
    with Recording(path) as recording:
        return [entry for entry in recording if isinstance(entry, Setup | RecordedFrame)]


def compared(path: Path) -> Counted:
    comparison = Counted()
    with Recording(path) as recording:
        for step in replay(recording, recording.name):
            comparison.add(step)
    comparison.lost = recording.lost
    assert recording.broken is None
    return comparison


def quiet(loop: Loop, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        loop.frame(LOW, 0.5)


def test_a_minute_around_an_event_is_kept_and_is_what_was_decided_on(journal: Path) -> None:
    with keeping(journal) as (loop, port):
        quiet(loop, 100)
        onset_s = loop.now_s + 0.1
        loop.frame(HIGH)
        port.work()
        quiet(loop, 30)
        port.work()
    assert names(journal) == ["1-2.rec"]
    (path,) = folder(journal).iterdir()
    found = compared(path)
    assert (found.same, found.recorded, found.lost) == (True, 2, 0)
    frames = [entry for entry in read(path) if isinstance(entry, RecordedFrame)]
    before_s, after_s = onset_s - frames[0].captured_s, frames[-1].captured_s - onset_s
    # It begins at the checkpoint before.
    assert 45.0 - 0.5 <= before_s <= 50.5
    assert after_s >= 15.0


def test_nothing_is_written_while_nothing_happens(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        quiet(loop, 200)
    assert names(journal) == []
    assert not any(thread.name == "why" for thread in threading.enumerate())


def test_events_that_come_close_together_share_a_file_and_others_have_their_own(
    journal: Path,
) -> None:
    with keeping(journal) as (loop, port):
        for _ in range(3):
            loop.frame(HIGH)
            quiet(loop, 5)
            port.work()
        quiet(loop, 40)
        port.work()
        loop.frame(HIGH)
        quiet(loop, 60)
        port.work()
    assert names(journal) == ["1-6.rec", "7-8.rec"]
    assert all(compared(path).same for path in folder(journal).iterdir())


def test_an_event_at_the_very_end_is_kept(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        loop.frame(LOW)
        loop.frame(HIGH)
        loop.end("stop")
    (path,) = folder(journal).iterdir()
    assert path.name == "1-2.rec"
    assert compared(path).same


def test_a_reload_within_is_decided_again(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        quiet(loop, 10)
        loop.frame([0.0, 0.5, 0.0, 0.0])
        loop.reload([replace(CAT, enter=0.45)])
        loop.frame([0.0, 0.5, 0.0, 0.0])
        quiet(loop, 2)
    (path,) = folder(journal).iterdir()
    setups = [entry for entry in read(path) if isinstance(entry, Setup)]
    assert [setup.rules[0].enter for setup in setups] == [None, 0.45]
    assert (compared(path).same, compared(path).recorded) == (True, 2)


def test_what_a_run_before_left_open_is_no_decision(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        loop.frame(LOW)
        loop.tell(Ended("restart", "edged ended without a word before", (loop_event(loop),)))
    assert names(journal) == []


def loop_event(loop: Loop) -> Event:
    return Event("cat", False, 0.0, loop.now_s, loop.now_s, 0, number=7, reason="restart")


def test_of_many_classes_those_of_rules_and_the_best_are_kept(journal: Path) -> None:
    labels = ("background", "cat", "dog", "fox", *(f"class {n}" for n in range(96)))
    rng = np.random.default_rng(4)
    with keeping(journal) as (short, _):
        loop = Loop(
            [CAT, RuleConfig(name="pet", labels=["dog", "fox"], combine="sum")], PLAIN, labels
        )
        loop.ports = short.ports
        loop.tell(loop.deciding)
        kept = []
        for number in range(60):
            scores = (rng.random(100) ** 8).astype(np.float32)
            scores[1] = 0.9 if number % 20 > 10 else 0.0
            kept.append(scores)
            loop.frame(scores.tolist())
        loop.frame([0.0] * 100)
    (path,) = folder(journal).iterdir()
    found = compared(path)
    assert found.same
    assert found.recorded > 5
    frames = [entry for entry in read(path) if isinstance(entry, RecordedFrame)]
    for frame, scores in zip(frames, kept, strict=False):
        assert frame.given is not None
        assert frame.scores[[1, 2, 3]].tolist() == scores[[1, 2, 3]].tolist()
        best = np.argsort(-scores)[:5]
        assert frame.scores[best].tolist() == scores[best].tolist()
        assert np.count_nonzero(frame.scores) <= 8


def test_pictures_are_kept_only_if_allowed_and_only_of_events(journal: Path) -> None:
    for allowed in (False, True):
        path = journal.with_name(f"{allowed}.db")
        with keeping(path, pictures=allowed) as (loop, _):
            quiet(loop, 2)
            loop.frame(HIGH, shade=200)
            loop.frame(HIGH, shade=10)
        (file,) = path.with_name(f"{path.name}.why").iterdir()
        frames = [entry for entry in read(file) if isinstance(entry, RecordedFrame)]
        pictures = [frame.jpeg for frame in frames if frame.jpeg]
        assert len(pictures) == allowed
        for jpeg in pictures:
            assert abs(int(decode_jpeg(jpeg, "a test").mean()) - 200) <= 2
            assert frames[-2].events


@pytest.mark.parametrize(("max_events", "left"), [(1, ["9-10.rec"]), (5, ["7-8.rec", "9-10.rec"])])
def test_the_oldest_go_first(journal: Path, max_events: int, left: list[str]) -> None:
    with keeping(journal, max_events=max_events) as (loop, port):
        for _ in range(5):
            loop.frame(HIGH)
            quiet(loop, 40)
            port.work()
    assert names(journal) == left


def test_the_bytes_are_bounded(journal: Path) -> None:
    with keeping(journal, max_bytes=20_000) as (loop, port):
        for _ in range(8):
            loop.frame(HIGH)
            quiet(loop, 40)
            port.work()
    kept = [path.stat().st_size for path in folder(journal).iterdir()]
    assert sum(kept) <= 20_000
    assert len(kept) >= 2


def test_what_a_power_cut_left_open_is_closed_and_numbers_go_on(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        loop.frame(LOW)
        loop.frame(HIGH)
        loop.frame(LOW)
    (path,) = folder(journal).iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    path.rename(folder(journal) / "1.part")
    (folder(journal) / "0.part").write_bytes(b"torn")
    with keeping(journal) as (loop, _):
        loop.frame(HIGH)
    assert names(journal)[0] == "1-2.rec"
    assert len(names(journal)) == 2


def test_excerpts_of_a_journal_that_is_gone_go(journal: Path) -> None:
    with keeping(journal) as (loop, _):
        for level in (LOW, HIGH) * 5:
            loop.frame(level)
    for path in journal.parent.glob("events.db*"):
        if path.is_file():
            path.unlink()
    with keeping(journal) as (loop, _):
        loop.frame(HIGH)
    assert names(journal) == ["1-1.rec"]


def test_a_disk_that_fails_costs_excerpts_and_one_line(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder(journal).write_text("a file where the folder should be")
    with keeping(journal) as (loop, port):
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                loop.frame(HIGH)
                loop.frame(LOW)
                port.work()
        assert caplog.text.count("scores around events are not kept meanwhile") == 1
        folder(journal).unlink()
        with caplog.at_level(logging.INFO):
            loop.frame(HIGH, RETRY_S)
            port.work()
        assert "scores around events are kept again" in caplog.text
    assert len(names(journal)) == 1


def test_a_disk_that_is_full_leaves_what_is_whole(
    journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Writer, *, durably: bool = False) -> None:
        raise RecordingError("no space left")

    with keeping(journal) as (loop, port):
        loop.frame(LOW)
        loop.frame(HIGH)
        port.work()
        monkeypatch.setattr(Writer, "flush", full)
        with caplog.at_level(logging.ERROR):
            loop.frame(LOW)
            port.work()
        assert "no space left; scores around events are not kept meanwhile" in caplog.text
        monkeypatch.undo()
        loop.frame(HIGH, RETRY_S)
    assert names(journal)[0] == "1-1.rec"


def test_a_disk_that_has_failed_is_left_alone_for_a_while_and_nothing_is_missing_then(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def fails(path: Path) -> None:
        tries.append(loop.now_s)
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with keeping(journal) as (loop, port):
        monkeypatch.setattr(files, "close_left_open", fails)
        for _ in range(30):
            loop.frame(HIGH, 0.3)
            loop.frame(LOW, 0.3)
            port.work()
        assert len(tries) == 4
        assert all(after - before >= RETRY_S for before, after in pairwise(tries))
        monkeypatch.undo()
        loop.frame(HIGH, RETRY_S)
    assert names(journal) == ["1-61.rec"]


def test_a_long_run_of_events_takes_several_files(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpt_module, "MOST_BYTES", 3000)
    with keeping(journal) as (loop, port):
        for _ in range(60):
            loop.frame(HIGH, 1.0)
            loop.frame(LOW, 1.0)
            port.work()
    kept = excerpts(folder(journal))
    assert len(kept) > 2
    assert all(compared(excerpt.path).same for excerpt in kept)
    numbers = {n for one in kept for n in range(one.first, (one.last or 0) + 1)}
    assert numbers == set(range(1, 121))


def asked(port: WhyPort, number: int) -> Reply:
    replies: list[Reply] = []
    port.answer(Request(TellWhy(event=number), "a test", replies.append))
    wait_until(lambda: replies)
    return replies[0]


def test_a_question_is_answered_with_what_has_just_happened(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "DELAY_S", 0.0)
    with keeping(journal, kind=WhyPort) as (loop, port):
        assert "no scores are kept yet" in (asked(port, 0).error or "")
        loop.frame(LOW)
        loop.frame(HIGH)
        for number in (0, 1):
            data = asked(port, number).data
            assert data is not None
            assert data.event.number == 1
        assert asked(port, 5).error == (
            "event 5: no scores of it are kept; they go back to event 1"
        )


def test_questions_wait_but_not_without_end(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = WhyPort(WhyConfig(), folder(journal), "porch")
    monkeypatch.setattr(port, "_wake", lambda: None)
    for _ in range(WhyPort._most_questions):
        port.answer(Request(TellWhy()))
    with pytest.raises(CommandError, match="others wait"):
        port.answer(Request(TellWhy()))


def test_frames_that_left_the_ring_before_they_were_written_are_counted(journal: Path) -> None:
    with keeping(journal) as (loop, port):
        loop.frame(LOW)
        loop.frame(HIGH)
        port.work()
        # The disk hangs.
        for _ in range(400):
            loop.frame(LOW, 0.5)
    (path,) = folder(journal).iterdir()
    found = compared(path)
    assert (found.same, found.recorded) == (True, 1)
    # Two minutes left it, of which an end without an event is one.
    assert 240 < found.lost < 280


def test_the_ring_is_bounded_in_time(journal: Path) -> None:
    port = WhyPort(WhyConfig(), folder(journal), "porch", lambda: 100.0)
    loop = Loop([CAT], PLAIN)
    loop.ports.append(port)
    loop.tell(loop.deciding)
    quiet(loop, 1000)
    frames = sum(isinstance(entry, Sight) for entry in port._ring.since(0).entries)
    assert frames == 2 * port_module.RING_S + 1


def test_the_ring_is_bounded_in_bytes(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "RING_BYTES", 10_000)
    port = WhyPort(WhyConfig(), folder(journal), "porch", lambda: 100.0)
    loop = Loop([CAT], PLAIN)
    loop.ports.append(port)
    loop.tell(loop.deciding)
    quiet(loop, 60)
    entries = port._ring.since(0).entries
    assert 20 < len(entries) <= 10_000 / ENTRY_BYTES
