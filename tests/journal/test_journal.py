"""Events are numbered, kept and read by each consumer from where it stopped."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edged import clock
from edged.config.schema import JournalConfig
from edged.journal import journal as module
from edged.journal.journal import MEMORY_EVENTS, Journal
from edged.journal.numbers import BLOCK, read_mark, write_mark
from edged.journal.reader import Reader
from edged.messages.events import put_right, replayed
from tests.journal.made import (
    Blocked,
    cursors,
    event,
    on_disk,
    payload,
    read,
    reader,
    record,
    threadless,
)
from tests.mosquitto import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


def mark(path: Path) -> int | None:
    return read_mark(path.with_name("events.db.mark"))


def killed(journal: Journal) -> None:
    """Ends it as kill -9 would: nothing is written any more, and the lock is let go."""
    assert journal._store is not None
    journal._store.close()


def test_events_get_numbers_one_after_the_other_and_keep_the_rest(path: Path) -> None:
    journal = threadless(path)
    journal.sync()
    made = [event(7), event(8, active=False)]
    numbered = journal.record(made)
    assert [one.number for one in numbered] == [1, 2]
    assert [(one.frame, one.active) for one in numbered] == [(7, True), (8, False)]
    assert record(journal, 3) == [3, 4, 5]
    journal.close()


def test_events_are_counted_by_rule_and_as_long_as_they_wait(path: Path) -> None:
    journal = threadless(path)
    journal.sync()
    record(journal, 3)
    told = journal.metrics()
    assert (told.last, told.waiting, told.error) == (3, 3, None)
    assert sum(journal.events.values()) == 3
    journal.sync()
    assert journal.metrics().waiting == 0
    journal.close()


def test_why_the_disk_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    journal = threadless(tmp_path / "file" / "events.db")
    journal.sync()
    assert "events.db" in str(journal.metrics().error)
    journal.close()


def test_the_json_tells_number_and_identity(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "trust", lambda _: clock.SYNCHRONIZED)
    journal = threadless(path)
    journal.sync()
    (numbered,) = journal.record([event(7)])
    newest = journal.newest(1)
    assert newest is not None
    said = json.loads(newest)
    assert (said["number"], said["id"], said["frame"]) == (1, "porch-1", 7)
    consumer = reader(journal)
    assert (consumer.last, consumer.newest(1)) == (1, newest)
    page = consumer.after(consumer.rewind(), 10)
    assert [entry.payload for entry in page.entries] == [newest]
    assert numbered.number == page.entries[0].number == 1
    journal.close()


def test_no_events_take_no_number(path: Path) -> None:
    journal = threadless(path)
    journal.sync()
    assert journal.record([]) == ()
    assert record(journal) == [1]
    journal.close()


def test_after_a_clean_end_numbers_go_on_without_a_gap(path: Path) -> None:
    first = threadless(path)
    first.sync()
    record(first, 3)
    first.close()
    assert mark(path) == 3
    second = threadless(path)
    consumer = reader(second)
    assert record(second) == [4]
    assert read(consumer, after=0) == [1, 2, 3, 4]
    second.close()


def test_after_a_crash_the_numbers_that_may_have_been_used_are_a_gap(path: Path) -> None:
    first = threadless(path)
    consumer = reader(first)
    record(first, 3)
    first.sync()
    consumer.advance(3)
    first.sync()
    record(first)
    killed(first)
    second = threadless(path)
    consumer = reader(second)
    assert read(consumer) == [(4, BLOCK, "crash")]
    assert record(second) == [BLOCK + 1]
    assert read(consumer) == [(4, BLOCK, "crash"), BLOCK + 1]
    second.close()


def test_a_gap_that_was_taken_is_not_told_again(path: Path) -> None:
    first = threadless(path)
    reader(first)
    killed(first)
    second = threadless(path)
    consumer = reader(second)
    assert read(consumer) == [(1, BLOCK, "crash")]
    consumer.advance(BLOCK)
    second.close()
    third = threadless(path)
    assert read(reader(third)) == []
    third.close()


def test_a_consumer_reads_the_disk_and_then_what_is_not_there_yet(path: Path) -> None:
    journal = threadless(path)
    consumer = reader(journal)
    record(journal, 3)
    journal.sync()
    record(journal, 2)
    assert on_disk(path) == [1, 2, 3]
    assert read(consumer) == [1, 2, 3, 4, 5]
    assert read(consumer, limit=2) == [1, 2, 3, 4, 5]
    journal.close()


def test_each_consumer_has_its_own_cursor_over_a_restart(path: Path) -> None:
    first = threadless(path)
    mqtt, webhook = reader(first), reader(first, "webhook")
    record(first, 4)
    mqtt.advance(3)
    webhook.advance(1)
    first.close()
    second = threadless(path)
    assert read(reader(second)) == [4]
    assert read(reader(second, "webhook")) == [2, 3, 4]
    second.close()


def test_a_cursor_never_goes_back(path: Path) -> None:
    journal = threadless(path)
    consumer = reader(journal)
    record(journal, 4)
    consumer.advance(3)
    consumer.advance(2)
    assert read(consumer) == [4]
    journal.close()


def test_a_new_consumer_begins_with_what_is_new(path: Path) -> None:
    first = threadless(path)
    first.sync()
    record(first, 3)
    first.close()
    second = threadless(path)
    consumer = reader(second, "webhook")
    record(second)
    assert read(consumer) == [4]
    killed(second)
    third = threadless(path)
    assert read(reader(third, "webhook"))[0] == (4, 3 + BLOCK, "crash")
    third.close()


def test_a_new_consumer_hears_at_once_where_to_begin(path: Path) -> None:
    woken: list[None] = []
    journal = threadless(path)
    consumer = journal.consumer("mqtt", lambda: woken.append(None))
    assert consumer.after(0, 10).entries == ()
    assert consumer.behind
    assert woken
    journal.close()


def test_a_new_consumer_that_came_late_begins_there_again_after_a_crash(path: Path) -> None:
    first = threadless(path)
    first.sync()
    record(first, 3)
    first.sync()
    assert read(reader(first)) == [1, 2, 3]
    killed(first)
    second = threadless(path)
    assert read(reader(second)) == [1, 2, 3, (4, BLOCK, "crash")]
    second.close()


def test_a_consumer_that_comes_while_the_disk_works_keeps_its_cursor(path: Path) -> None:
    first = threadless(path)
    consumer = reader(first)
    record(first, 3)
    consumer.advance(2)
    first.close()
    second = threadless(path)
    second.sync()
    record(second)
    second.consumer("mqtt", lambda: None)
    assert second._store is not None
    # The writer had looked for new consumers before this one came.
    second._sync(second._store)
    killed(second)
    assert cursors(path) == {"mqtt": 2}


def test_what_left_because_of_the_bound_is_a_gap_told_once_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = threadless(path, max_events=3)
    consumer = reader(journal)
    for _ in range(10):
        record(journal)
        journal.sync()
    assert consumer.dropped == 7
    assert read(consumer) == [(1, 7, "full"), 8, 9, 10]
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]
    consumer.advance(10)
    journal.close()
    journal = threadless(path, max_events=3)
    assert read(reader(journal)) == []
    journal.close()


def test_after_it_had_everything_the_next_loss_is_told_anew(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = threadless(path, max_events=1)
    consumer = reader(journal)
    consumer.rewind()
    for _ in range(2):
        record(journal, 5)
        journal.sync()
        consumer.advance(journal.last)
    assert consumer.dropped == 8
    assert len(caplog.records) == 2
    journal.close()


def test_what_left_the_memory_is_known_after_a_restart(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY_EVENTS", 3)
    first = threadless(path)
    reader(first)
    record(first, 10)
    first.close()
    second = threadless(path)
    assert read(reader(second)) == [(1, 7, "full"), 8, 9, 10]
    second.close()


def test_what_a_consumer_has_may_leave_and_is_no_loss(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = threadless(path, max_events=3)
    consumer = reader(journal)
    for number in range(1, 11):
        record(journal)
        journal.sync()
        consumer.advance(number)
    assert consumer.dropped == 0
    assert read(consumer) == []
    assert caplog.records == []
    journal.close()


def test_what_a_consumer_had_in_the_run_before_may_leave_and_is_no_loss(path: Path) -> None:
    first = threadless(path, max_events=3)
    consumer = reader(first)
    record(first, 3)
    consumer.advance(3)
    first.close()
    second = threadless(path, max_events=3)
    consumer = reader(second)
    record(second, 3)
    second.sync()
    assert on_disk(path) == [4, 5, 6]
    assert consumer.dropped == 0
    second.close()


def test_events_are_bounded_by_bytes_too(path: Path) -> None:
    journal = threadless(path, max_bytes=4096)
    consumer = reader(journal)
    record(journal, 100)
    journal.sync()
    told = read(consumer)
    first, last, reason = told[0]
    assert (first, reason) == (1, "full")
    assert told[1:] == list(range(last + 1, 101))
    assert 8 <= len(told[1:]) <= 20
    journal.close()


def test_a_torn_row_is_a_gap_told_once_and_the_rest_is_read(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = threadless(path)
    reader(first)
    record(first, 5)
    first.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE event SET payload = x'00' WHERE number IN (2, 5)")
    second = threadless(path)
    consumer = reader(second)
    told = read(consumer)
    assert told == [1, (2, 2, "damaged"), 3, 4, (5, 5, "damaged")]
    assert read(consumer) == told
    assert consumer.dropped == 2
    assert [entry.message for entry in caplog.records if entry.name.endswith("journal")] == [
        "journal: event 2, perhaps more, can no longer be read",
        "events were lost before mqtt read them; its gap says why",
    ]
    second.close()


def test_a_database_that_was_replaced_leaves_a_gap_and_numbers_go_on(path: Path) -> None:
    first = threadless(path)
    reader(first)
    record(first, 5)
    first.close()
    path.write_bytes(b"rubbish" * 1000)
    second = threadless(path)
    consumer = reader(second)
    assert record(second) == [6]
    assert read(consumer) == [(1, 5, "damaged"), 6]
    second.close()


def test_a_database_that_was_removed_leaves_a_gap_and_numbers_go_on(path: Path) -> None:
    first = threadless(path)
    reader(first)
    record(first, 5)
    first.close()
    path.unlink()
    second = threadless(path)
    consumer = reader(second)
    assert read(consumer) == [(1, 5, "damaged")]
    assert record(second) == [6]
    second.close()


def remove(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


@pytest.mark.parametrize(
    "gone", [[""], ["", "-wal", "-shm"], ["", ".mark"], ["", ".mark", ".lock"]]
)
def test_a_database_that_is_removed_while_it_is_open_is_made_anew_and_that_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture, gone: list[str]
) -> None:
    first = threadless(path)
    consumer = reader(first)
    record(first, 3)
    first.sync()
    remove(path, *gone)
    for _ in range(3):
        record(first)
        first.sync()
    assert read(consumer) == [(1, 3, "damaged"), 4, 5, 6]
    assert [entry.levelname for entry in caplog.records] == ["ERROR"]
    assert f"{path} was removed or replaced while edged used it" in caplog.text
    killed(first)
    second = threadless(path)
    assert read(reader(second)) == [(1, 3, "damaged"), 4, 5, 6, (7, BLOCK, "crash")]
    assert record(second) == [BLOCK + 1]
    second.close()


def test_a_folder_that_is_removed_while_it_is_in_use_is_made_anew(path: Path) -> None:
    first = threadless(path)
    consumer = reader(first)
    record(first, 3)
    first.sync()
    shutil.rmtree(path.parent)
    record(first)
    first.sync()
    assert read(consumer) == [(1, 3, "damaged"), 4]
    first.close()
    assert (on_disk(path), mark(path)) == ([4], 4)


def test_a_mark_that_is_removed_is_written_again(path: Path) -> None:
    journal = threadless(path)
    journal.sync()
    record(journal)
    journal.sync()
    remove(path, ".mark")
    record(journal)
    journal.sync()
    assert mark(path) == BLOCK
    journal.close()


def test_without_its_lock_a_journal_is_still_written_by_one_daemon(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = threadless(path)
    first.sync()
    given = record(first, 3)
    first.sync()
    remove(path, ".lock")
    second = threadless(path)
    second.sync()
    given += record(second, 3)
    given += record(first, 2 * BLOCK)
    first.sync()
    second.sync()
    assert "another process writes to it" in caplog.text
    assert on_disk(path) == [1, 2, 3, BLOCK + 1, BLOCK + 2, BLOCK + 3]
    assert len(set(given)) == len(given)
    killed(first)
    second.close()


def test_what_could_not_be_read_counts_as_dropped_when_it_leaves_and_what_was_sent_does_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_WAIT_S", 0.0)
    journal = threadless(path, max_events=3)
    consumer = reader(journal)
    consumer.rewind()
    record(journal, 3)
    journal.sync()
    with journal._disk:
        record(journal, 3)
        assert [entry.number for entry in consumer.after(0, 10).entries] == [4, 5, 6]
        consumer.advance(6)
    journal.sync()
    consumer.rewind()
    assert consumer.dropped == 3
    record(journal, 3)
    journal.sync()
    assert consumer.dropped == 3
    assert read(consumer) == [(1, 6, "full"), 7, 8, 9]
    journal.close()


def test_without_a_disk_events_wait_in_bounded_memory_and_the_log_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Blocked(path)
    journal = threadless(path)
    consumer = reader(journal)
    assert consumer.after(0, 10).up_to == 0
    (first,) = record(journal)
    for _ in range(MEMORY_EVENTS + 9):
        record(journal)
    journal.sync()
    assert consumer.dropped == 10
    told = read(consumer)
    assert told[0] == (first, first + 9, "full")
    assert told[1:] == list(range(first + 10, first + MEMORY_EVENTS + 10))
    assert [entry.levelno for entry in caplog.records] == [logging.ERROR, logging.WARNING]
    assert "memory holds at most 2000 events" in caplog.records[0].message


def test_numbers_that_cannot_be_reserved_are_of_no_other_run(path: Path) -> None:
    Blocked(path)
    given = []
    for _ in range(20):
        journal = threadless(path)
        journal.sync()
        given += record(journal, 5)
    assert given == sorted(set(given)), "each run's are higher than those of the run before"
    assert min(given) > 2**40


def test_a_disk_that_comes_late_takes_the_events_and_what_waited_there_is_read(path: Path) -> None:
    first = threadless(path)
    reader(first)
    record(first, 2)
    first.close()
    path.parent.rename(path.parent.with_name("away"))
    blocked = Blocked(path)
    woken: list[None] = []
    second = threadless(path)
    consumer = second.consumer("mqtt", lambda: woken.append(None))
    second.sync()
    numbers = record(second, 2)
    assert read(consumer) == numbers
    consumer.advance(numbers[-1])
    blocked.free()
    path.parent.with_name("away").rename(path.parent)
    woken.clear()
    second.sync()
    assert woken
    assert consumer.behind
    assert read(consumer) == [1, 2, (3, numbers[0] - 1, "crash"), *numbers]
    consumer.advance(numbers[-1])
    second.close()
    assert on_disk(path) == [1, 2, *numbers]
    assert cursors(path) == {"mqtt": numbers[-1]}
    assert mark(path) == numbers[-1]


def test_a_disk_whose_numbers_are_higher_than_those_given_is_left_alone(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = threadless(path)
    first.sync()
    assert first._store is not None
    first._store.reserve(2**52)
    first._numbers.start_after(2**52 - 1)
    first._numbers.reserved(2**52)
    record(first)
    first.close()
    path.parent.rename(path.parent.with_name("away"))
    blocked = Blocked(path)
    second = threadless(path)
    second.sync()
    record(second)
    blocked.free()
    path.parent.with_name("away").rename(path.parent)
    caplog.clear()
    second._error = None
    second.sync()
    assert "restart edged" in caplog.text
    second.close()
    assert on_disk(path) == [2**52]
    assert mark(path) == 2**52


@pytest.mark.parametrize("overlap", [0, 1])
def test_a_disk_that_comes_late_takes_events_whose_numbers_nobody_may_have_used(
    path: Path, caplog: pytest.LogCaptureFixture, overlap: int
) -> None:
    blocked = Blocked(path)
    journal = threadless(path)
    journal.sync()
    numbers = record(journal, 2)
    blocked.free()
    path.parent.mkdir()
    used = numbers[0] - 1 + overlap
    write_mark(path.with_name("events.db.mark"), used)
    journal._error = None
    journal.sync()
    assert on_disk(path) == ([] if overlap else numbers)
    assert ("restart edged" in caplog.text) == bool(overlap)
    assert (mark(path) == used) == bool(overlap)
    journal.close()


def test_where_the_disk_fails_meanwhile_reserved_numbers_are_used_up_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = threadless(path)
    consumer = reader(journal)
    record(journal, 2)
    journal.sync()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("edged.journal.numbers.write_mark", full)
        numbers = record(journal, BLOCK - 2)
        journal.sync()
        beyond = record(journal, 2)
    assert numbers == list(range(3, BLOCK + 1))
    assert beyond[0] > 2**40
    expected = [*range(1, BLOCK + 1), (BLOCK + 1, beyond[0] - 1, "crash"), *beyond]
    assert read(consumer) == expected
    journal.sync()
    assert (mark(path) or 0) >= beyond[-1]
    assert read(consumer) == expected
    journal.close()


def test_a_second_daemon_on_one_journal_is_refused_and_goes_on_in_memory(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = threadless(path)
    first.sync()
    record(first, 3)
    second = threadless(path)
    consumer = reader(second)
    assert "another process writes to it" in caplog.text
    numbers = record(second)
    assert read(consumer) == numbers
    first.close()
    assert on_disk(path) == [1, 2, 3]
    second.sync()
    second.close()
    assert on_disk(path) == [1, 2, 3, *numbers]


def test_a_disk_that_fails_before_the_first_event_takes_no_reserved_number_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    journal = threadless(path)
    journal.sync()
    with monkeypatch.context() as patched:
        patched.setattr("edged.journal.schema.opened", full)
        assert journal._store is not None
        journal._store._close_database()
        reader(journal).after(0, 1)
        assert record(journal, 2) == [1, 2]
    journal.close()


def test_numbers_without_the_disk_are_higher_than_those_on_it(path: Path) -> None:
    first = threadless(path)
    first.sync()
    assert first._store is not None
    first._store.reserve(2**52)
    second = threadless(path)
    second.sync()
    assert record(second)[0] > 2**52
    first._store.close()
    second.sync()
    second.close()


def test_without_a_journal_events_wait_in_memory_and_nothing_is_written(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal("porch", JournalConfig(path=str(path), max_events=0)) as journal:
        consumer = journal.consumer("mqtt", lambda: None)
        numbers = record(journal, 3)
        assert read(consumer) == numbers
        consumer.advance(numbers[1])
        assert read(consumer) == numbers[2:]
    assert not path.parent.exists()
    assert [(entry.levelname, entry.message) for entry in caplog.records] == [
        ("WARNING", "journal.max_events is 0: memory holds at most 2000 events"),
        ("ERROR", "1 events are lost: not stored, and not all read"),
    ]


@pytest.mark.parametrize(("taken", "lost"), [([], 3), ([3, 1], 2)])
def test_what_one_of_the_consumers_has_not_taken_is_lost_at_the_end_where_nothing_is_kept(
    path: Path, caplog: pytest.LogCaptureFixture, taken: list[int], lost: int
) -> None:
    with Journal("porch", JournalConfig(path=str(path), max_events=0)) as journal:
        consumers = [journal.consumer(f"after {count}", lambda: None) for count in taken]
        numbers = record(journal, 3)
        for consumer, count in zip(consumers, taken, strict=True):
            consumer.advance(numbers[count - 1])
    assert caplog.messages[1:] == [f"{lost} events are lost: not stored, and not all read"]


def test_without_a_journal_numbers_are_higher_than_those_of_the_run_before(path: Path) -> None:
    runs = [threadless(path, max_events=0) for _ in range(20)]
    given = [number for run in runs for number in record(run, 5)]
    assert given == sorted(set(given))


def test_the_writer_brings_events_and_then_cursors_to_disk_by_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CURSOR_S", 0.01)
    with Journal("porch", JournalConfig(path=str(path))) as journal:
        consumer = journal.consumer("mqtt", lambda: None)
        record(journal, 3)
        wait_until(lambda: path.exists() and on_disk(path) == [1, 2, 3])
        consumer.rewind()
        consumer.advance(2)
        wait_until(lambda: cursors(path) == {"mqtt": 2})


def test_with_sync_0_an_event_is_on_disk_before_anybody_hears_of_it(path: Path) -> None:
    with Journal("porch", JournalConfig(path=str(path), sync_s=0.0)) as journal:
        for last in range(1, 20):
            record(journal)
            assert on_disk(path)[-1] == last


def test_with_sync_0_and_a_disk_that_fails_the_loop_goes_on(path: Path) -> None:
    Blocked(path)
    with Journal("porch", JournalConfig(path=str(path), sync_s=0.0)) as journal:
        assert len({*record(journal), *record(journal), *record(journal)}) == 3


def test_more_events_at_once_than_numbers_are_reserved_get_theirs(path: Path) -> None:
    with Journal("porch", JournalConfig(path=str(path))) as journal:
        assert record(journal, 5 * BLOCK) == list(range(1, 5 * BLOCK + 1))
        assert record(journal, 1000)[-1] == 5 * BLOCK + 1000


def test_leaving_writes_what_is_left_and_the_exact_mark(path: Path) -> None:
    with Journal("porch", JournalConfig(path=str(path), sync_s=10.0)) as journal:
        consumer = journal.consumer("mqtt", lambda: None)
        wait_until(lambda: consumer.behind)
        consumer.rewind()
        record(journal, 3)
        consumer.advance(2)
    assert (on_disk(path), cursors(path), mark(path)) == ([1, 2, 3], {"mqtt": 2}, 3)


def test_a_failed_disk_is_tried_again_by_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "DISK_RETRY_S", 0.01)
    caplog.set_level(logging.INFO)
    blocked = Blocked(path)
    with Journal("porch", JournalConfig(path=str(path))) as journal:
        numbers = record(journal, 2)
        wait_until(lambda: caplog.records)
        blocked.free()
        wait_until(lambda: len(caplog.records) == 2)
        wait_until(lambda: on_disk(path) == numbers)
    assert [entry.levelname for entry in caplog.records] == ["ERROR", "INFO"]
    assert caplog.records[1].message == f"{path}: events are stored again"


def test_a_disk_that_hangs_stops_neither_the_loop_nor_what_is_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DISK_WAIT_S", 0.01)
    journal = threadless(path)
    consumer = reader(journal)
    record(journal, 2)
    journal.sync()
    with journal._disk:
        numbers = record(journal, BLOCK + 5)
        assert read(consumer) == [(3, numbers[0] - 1, "crash"), *numbers]
        consumer.advance(numbers[-1])
    journal.sync()
    assert consumer.behind
    assert read(consumer)[:3] == [1, 2, (3, numbers[0] - 1, "crash")]
    journal.close()


def test_many_readers_and_a_writer_at_once_miss_nothing(path: Path) -> None:
    found: dict[str, list[Any]] = {}

    def follow(name: str) -> None:
        woken = threading.Event()
        consumer = journal.consumer(name, woken.set)
        at, mine = 0, found.setdefault(name, [])
        while not mine or mine[-1] != 3000:
            page = consumer.after(at, 50)
            if consumer.behind:
                at = consumer.rewind()
                continue
            mine += [entry.number for entry in page.entries if entry.first is None]
            at = page.up_to
            consumer.advance(at)

    with Journal("porch", JournalConfig(path=str(path), sync_s=0.001)) as journal:
        wait_until(path.exists)
        threads = [threading.Thread(target=follow, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for _ in range(1000):
            record(journal, 3)
            # No faster than the disk: memory is bounded.
            wait_until(lambda: len(journal._waiting) < 1000)
        for thread in threads:
            thread.join(60)
    assert found == {"a": list(range(1, 3001)), "b": list(range(1, 3001))}
    assert cursors(path) == {"a": 3000, "b": 3000}


def held(path: Path) -> list[str]:
    """What a run that starts hears was left open by those before."""
    told: list[Sequence[str]] = []
    journal = Journal("porch", JournalConfig(path=str(path)), left_open=told.append)
    journal.sync()
    journal.close()
    assert len(told) <= 1
    return [rule for rules in told for rule in rules]


def test_a_run_hears_which_rules_the_one_before_left_open(path: Path) -> None:
    journal = threadless(path)
    journal.record([event(rule="cat"), event(rule="dog"), event(rule="fox")])
    journal.record([event(rule="dog", active=False)])
    journal.close()
    assert held(path) == ["cat", "fox"]


def test_what_was_ended_is_not_left_open(path: Path) -> None:
    journal = threadless(path)
    journal.record([event(rule="cat"), event(rule="cat", active=False)])
    journal.close()
    assert held(path) == []


def test_nobody_hears_of_nothing_left_open(path: Path) -> None:
    told: list[Sequence[str]] = []
    journal = Journal("porch", JournalConfig(path=str(path)), left_open=told.append)
    journal.sync()
    journal.close()
    assert told == []


def test_a_rule_is_left_open_though_its_event_left_long_ago(path: Path) -> None:
    journal = threadless(path, max_events=2)
    journal.record([event(rule="cat")])
    journal.sync()
    record(journal, 5)
    journal.record([event(rule="dog", active=False)] * 5)
    journal.close()
    assert "cat" in held(path)


def test_a_journal_of_the_first_version_goes_on(path: Path) -> None:
    journal = threadless(path)
    journal.sync()
    record(journal, 3)
    journal.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE held")
        database.execute("PRAGMA user_version = 1")
    journal = threadless(path)
    journal.sync()
    assert record(journal) == [4]
    journal.close()
    assert on_disk(path) == [1, 2, 3, 4]
    assert held(path) == ["cat"]


YEAR_2027_S = 1.8e9


def recorded(path: Path, wall_s: float) -> bytes:
    """The row of an event that was decided a second ago and began two seconds ago."""
    journal = Journal("porch", JournalConfig(path=str(path)), wall_clock=lambda: wall_s)
    journal.sync()
    now_s = time.monotonic()
    journal.record([msgspec.structs.replace(event(7), onset_s=now_s - 2.0, decided_s=now_s - 1.0)])
    journal.close()
    with closing(sqlite3.connect(path)) as database:
        row: bytes = database.execute("SELECT payload FROM event").fetchone()[0]
    return row


@pytest.mark.parametrize(
    ("boot", "trust", "year", "synced"),
    [
        ("this", clock.SYNCHRONIZED, 2027, True),
        ("this", clock.SET, 2027, False),
        ("this", clock.UNSET, 1970, False),
        ("another", clock.SYNCHRONIZED, 1970, False),
    ],
)
def test_an_event_of_1970_is_sent_with_its_right_time_where_that_can_be_known(
    path: Path, monkeypatch: pytest.MonkeyPatch, boot: str, trust: int, year: int, synced: bool
) -> None:
    monkeypatch.setattr(clock, "_boot", lambda: "this")
    row = recorded(path, 30.0)
    right = clock.read(lambda: YEAR_2027_S)
    right = msgspec.structs.replace(right, boot=boot, trust=trust)
    monkeypatch.setattr(clock, "read", lambda: right)

    sent, (shown,) = json.loads(replayed(row)), Reader(path, "porch").page()
    assert sent == json.loads(shown.payload) | {"replayed": True}
    assert "clock" not in sent
    made, onset = (datetime.fromisoformat(sent[name][:19]) for name in ("time", "onset"))
    assert (made.year, sent["time_synced"]) == (year, synced)
    assert 1 <= (made - onset).total_seconds() <= 3


def test_an_event_of_a_right_clock_is_kept_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "trust", lambda _: clock.SYNCHRONIZED)
    row = recorded(path, YEAR_2027_S)
    assert b"clock" not in row
    assert put_right(row) == row


@pytest.mark.parametrize("damage", [7, None, {"boot": 3}, {"boot": "this", "trust": 0}])
def test_a_damaged_clock_in_the_journal_leaves_the_event_as_it_is(damage: object) -> None:
    whole = json.loads(payload(1))
    row = msgspec.json.encode(whole | {"clock": damage})
    assert json.loads(put_right(row)) == whole


def test_a_clock_that_would_lead_out_of_all_dates_leaves_the_event_as_it_is() -> None:
    whole = json.loads(payload(1))
    row = msgspec.json.encode(whole | {"clock": clock.Reading("this", -1e300, clock.UNSET)})
    now = clock.Reading("this", 0.0, clock.SYNCHRONIZED)
    assert json.loads(put_right(row, now)) == whole
