"""When the writer goes to disk: in time, no more often than it must, and at once for who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from edged.config.schema import JournalConfig
from edged.journal import journal as module
from edged.journal.entry import Entry
from edged.journal.journal import CURSOR_S, DISK_RETRY_S, Journal
from edged.journal.numbers import BLOCK, read_mark
from tests.clocks import StandingClock
from tests.journal.made import Blocked, cursors, on_disk, read, reader, record, threadless
from tests.mosquitto import wait_until

SYNC_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(100.0)


@pytest.fixture
def journal(path: Path, clock: StandingClock) -> Journal:
    """Its numbers are reserved, and nothing waits."""
    opened = threadless(path, clock=clock, sync_s=SYNC_S)
    opened.sync()
    return opened


def full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_nothing_is_due_while_nothing_is_new(journal: Journal) -> None:
    assert journal._due_in_s() is None
    consumer = reader(journal)
    assert journal._due_in_s() is None
    consumer.rewind()
    assert journal._due_in_s() is None
    journal.close()


def test_the_first_event_that_waits_says_when_all_are_written(
    journal: Journal, clock: StandingClock
) -> None:
    clock.now_s += 1.0
    record(journal)
    clock.now_s += 2.0
    record(journal)
    assert journal._due_in_s() == SYNC_S / 2 - 2.0
    journal.close()


def test_a_cursor_is_written_in_its_time_however_often_it_moves(
    journal: Journal, clock: StandingClock
) -> None:
    consumer = reader(journal)
    consumer.rewind()
    record(journal, 3)
    journal.sync()
    consumer.advance(1)
    clock.now_s += CURSOR_S / 4
    consumer.advance(2)
    assert journal._due_in_s() == CURSOR_S * 3 / 4
    journal.close()


def test_a_cursor_that_stays_where_it_is_is_not_written_again(journal: Journal) -> None:
    consumer = reader(journal)
    consumer.rewind()
    record(journal, 3)
    consumer.advance(3)
    journal.sync()
    consumer.advance(3)
    assert journal._due_in_s() is None
    journal.close()


def test_what_comes_while_the_disk_works_is_written_next_and_in_its_time(
    journal: Journal, path: Path, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, late = reader(journal, "here"), reader(journal, "late")
    record(journal, 2)
    store = journal._store
    assert store is not None
    append = store.append

    def slow(events: Sequence[Entry], moved: Mapping[str, int]) -> list[int]:
        gone = append(events, moved)
        clock.now_s += SYNC_S
        for consumer in (here, late):
            consumer.rewind()
        late.advance(2)
        record(journal)
        return gone

    with monkeypatch.context() as patched:
        patched.setattr(store, "append", slow)
        journal.sync()
    assert (on_disk(path), cursors(path)) == ([1, 2], {"here": 0, "late": 0})
    assert journal._due_in_s() == CURSOR_S
    journal._cursors_since_s = None
    assert journal._due_in_s() == SYNC_S / 2
    journal.sync()
    assert (on_disk(path), cursors(path)) == ([1, 2, 3], {"here": 0, "late": 2})
    journal.close()


def test_a_new_consumer_is_looked_up_at_once(journal: Journal) -> None:
    reader(journal, "known")
    journal.consumer("new", lambda: None)
    assert journal._due_in_s() == 0.0
    journal.close()


def test_what_could_not_be_read_is_tried_again_at_once_and_its_reader_is_woken(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_WAIT_S", 0.0)
    woken: list[None] = []
    consumer = journal.consumer("mqtt", lambda: woken.append(None))
    journal.sync()
    consumer.rewind()
    record(journal)
    journal.sync()
    woken.clear()
    with journal._disk:
        consumer.after(0, 10)
    assert journal._due_in_s() == 0.0
    journal.sync()
    assert woken == [None]
    assert journal._due_in_s() is None
    journal.close()


def test_a_disk_that_failed_is_tried_again_though_nothing_waits(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = reader(journal)
    consumer.rewind()
    assert journal._store is not None
    journal._store.close()
    with monkeypatch.context() as patched:
        patched.setattr("edged.journal.schema.opened", full)
        consumer.after(0, 10)
    assert journal._due_in_s() == 0.0
    journal.sync()
    assert journal._due_in_s() is None
    journal.close()


def test_a_disk_that_fails_is_left_in_peace_for_a_while_and_one_that_works_again_is_not(
    path: Path, clock: StandingClock
) -> None:
    clock.now_s = 0.0
    blocked = Blocked(path)
    journal = threadless(path, clock=clock, sync_s=0.0)
    assert journal._due_in_s() == 0.0
    journal.sync()
    assert journal._due_in_s() == DISK_RETRY_S
    blocked.free()
    journal.sync()
    record(journal)
    assert journal._due_in_s() == 0.0
    journal.close()


def test_the_writer_sleeps_until_something_is_due(
    journal: Journal, path: Path, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its thread: its sleep takes no time, and where nothing is due, a step is done."""
    consumer = reader(journal)
    consumer.rewind()

    def end() -> None:
        assert (on_disk(path), cursors(path)) == ([1, 2], {"mqtt": 2})
        journal._closing = True

    steps: list[Callable[[], object]] = [
        lambda: record(journal, 2),
        lambda: consumer.advance(2),
        end,
    ]
    slept_s: list[float | None] = []

    def sleep(timeout_s: float | None = None) -> None:
        slept_s.append(timeout_s)
        if timeout_s is not None:
            clock.now_s += timeout_s
            return
        journal._lock.release()
        try:
            steps.pop(0)()
        finally:
            journal._lock.acquire()

    monkeypatch.setattr(journal._changed, "wait", sleep)
    journal._write()
    assert slept_s == [None, SYNC_S / 2, None, CURSOR_S, None]


class Sleeping(threading.Condition):
    """Tells when the writer sleeps."""

    def __init__(self, lock: threading.Lock) -> None:
        super().__init__(lock)
        self.sleeps = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if threading.current_thread().name == "journal":
            self.sleeps.set()
        return super().wait(timeout)


def test_a_sleeping_writer_is_woken_at_the_end(path: Path) -> None:
    journal = Journal("porch", JournalConfig(path=str(path)))
    journal._changed = changed = Sleeping(journal._lock)
    with journal:
        assert changed.sleeps.wait(30.0)
    assert read_mark(path.with_name("events.db.mark")) == 0


def test_a_sleeping_writer_is_woken_by_a_new_consumer(path: Path) -> None:
    journal = Journal("porch", JournalConfig(path=str(path)))
    journal._changed = changed = Sleeping(journal._lock)
    with journal:
        assert changed.sleeps.wait(30.0)
        consumer = journal.consumer("mqtt", lambda: None)
        wait_until(lambda: consumer.behind)


def test_numbers_are_reserved_for_who_waits_for_them_before_anything_else_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_WAIT_S", 30.0)
    journal = Journal("porch", JournalConfig(path=str(path), sync_s=SYNC_S))
    journal._changed = changed = Sleeping(journal._lock)
    given = threading.Event()
    in_time: list[bool] = []
    store = journal._store
    assert store is not None
    append = store.append

    def late(events: Sequence[Entry], moved: Mapping[str, int]) -> list[int]:
        in_time.append(given.wait(10.0))
        return append(events, moved)

    monkeypatch.setattr(store, "append", late)
    with journal:
        assert changed.sleeps.wait(30.0)
        changed.sleeps.clear()
        numbers = record(journal)
        assert changed.sleeps.wait(30.0)
        numbers += record(journal, 5 * BLOCK)
        given.set()
    assert numbers == list(range(1, 5 * BLOCK + 2))
    assert in_time == [True, True]
    assert on_disk(path) == numbers


def test_who_waits_for_numbers_hears_at_once_that_the_disk_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a test may take.
    monkeypatch.setattr(module, "DISK_WAIT_S", 3600.0)
    journal = Journal("porch", JournalConfig(path=str(path)))
    journal._changed = changed = Sleeping(journal._lock)
    with journal:
        assert changed.sleeps.wait(30.0)
        with monkeypatch.context() as patched:
            patched.setattr("edged.journal.numbers.write_mark", full)
            numbers = record(journal, 5 * BLOCK)
    assert numbers[0] > 2**40


def test_where_no_writer_runs_nobody_waits_for_it(path: Path) -> None:
    journal = threadless(path, sync_s=0.0)
    journal.sync()
    assert record(journal) == [1]
    journal.close()


def test_who_reads_waits_once_for_a_disk_that_hangs_and_again_when_it_works(path: Path) -> None:
    journal = threadless(path)
    consumer = reader(journal)
    numbers = record(journal, 3)
    waits_s: list[float] = []

    class Hanging:
        def acquire(self, timeout: float) -> bool:
            waits_s.append(timeout)
            return False

    journal._disk, disk = Hanging(), journal._disk
    for _ in range(3):
        assert read(consumer) == numbers
    first_s, *others_s = waits_s
    assert (first_s, {*others_s}) == (module.DISK_WAIT_S, {0.0})
    journal._disk = disk
    assert read(consumer) == numbers
    waits_s.clear()
    journal._disk = Hanging()
    read(consumer)
    assert waits_s[0] == module.DISK_WAIT_S
    journal._disk = disk
    journal.close()
