"""The journal's files: order, bounds, damage, other processes, a disk that fails."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from edged.errors import PortError
from edged.journal import schema
from edged.journal.numbers import HIGHEST, write_mark
from edged.journal.reader import Reader
from edged.journal.store import Store
from tests.journal.made import WALL_S, entries, payload


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


class Open(Protocol):
    def __call__(self, **bounds: int) -> Store: ...


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Opens the store anew, closing the one before."""
    stores: list[Store] = []

    def again(max_events: int = 1000, max_bytes: int = 1 << 20) -> Store:
        for store in stores:
            store.close()
        stores.append(Store(path, max_events, max_bytes, lambda: WALL_S))
        stores[-1].open()
        stores[-1].reserve(stores[-1].mark)
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def numbers(store: Store, after: int = 0, limit: int = 10_000) -> list[int]:
    return [event.number for event in store.after(after, limit).events]


OTHER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("BEGIN")
print(*database.execute("SELECT max(number) FROM event").fetchone(), flush=True)
sys.stdin.read()
"""
"""Reads, and goes on reading, until its input ends."""


def open_files() -> int:
    """How many this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def execute(path: Path, statement: str, *values: Any) -> list[Any]:
    """As another program would, while none has the database open."""
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement, values).fetchall()


def test_the_pages_that_sqlite_keeps_are_few(tmp_path: Path) -> None:
    with closing(schema.opened(tmp_path / "events.db")[0]) as database:
        assert database.execute("PRAGMA cache_size").fetchone() == (-schema.CACHE_KIB,)


def test_a_log_is_taken_over_without_its_index_where_that_must_not_be_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first" / "events.db", tmp_path / "second" / "events.db"
    killed = Store(first, 1000, 1 << 20)
    killed.open()
    killed.append(entries(1, 2), {})
    second.parent.mkdir()
    for suffix in ("", "-wal", ".mark"):
        shutil.copy(f"{first}{suffix}", f"{second}{suffix}")
    killed.close()
    monkeypatch.setattr(schema, "mode_for", lambda _: "TRUNCATE")
    # What cannot be opened cannot be mapped.
    index = second.with_name("events.db-shm")
    index.mkdir()
    store = Store(second, 1000, 1 << 20)
    store.open()
    assert numbers(store) == [1, 2]
    index.rmdir()
    store.append(entries(3), {})
    assert Reader(second, "porch").event() == entries(3)[0]
    store.close()
    assert not second.with_name("events.db-wal").exists()


def test_a_block_counts_where_the_journal_is_and_not_its_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "events.db").symlink_to(tmp_path / "disk" / "events.db")
    asked: list[Path] = []

    def blocks(folder: Path) -> Any:
        asked.append(folder)
        return SimpleNamespace(f_bsize=1024)

    monkeypatch.setattr(os, "statvfs", blocks)
    assert schema.mode_for(tmp_path / "events.db") == "TRUNCATE"
    assert asked == [tmp_path / "disk"]


def test_what_a_kill_left_half_written_is_taken_back_by_a_reader_who_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "mode_for", lambda _: "TRUNCATE")
    first, second = tmp_path / "first" / "events.db", tmp_path / "second" / "events.db"
    store = Store(first, 1000, 1 << 20)
    store.open()
    store.append(entries(1, 2), {})
    store.close()
    second.parent.mkdir()
    with closing(sqlite3.connect(first)) as database:
        # So much that a part of it is written before the end.
        database.execute("PRAGMA cache_size = 1")
        database.executemany(
            "INSERT INTO event VALUES (?, ?)", ((3 + n, bytes(3000)) for n in range(50))
        )
        for suffix in ("", "-journal"):
            shutil.copy(f"{first}{suffix}", f"{second}{suffix}")
    assert second.stat().st_size > 50_000
    for closed in (second, second.parent):

        def may(path: Path, mode: int, closed: Path = closed) -> bool:
            return mode == os.R_OK or path != closed

        with monkeypatch.context() as denied:
            denied.setattr(os, "access", may)
            with pytest.raises(PortError, match="readonly"):
                Reader(second, "porch").page()
    assert [entry.number for entry in Reader(second, "porch").page()] == [1, 2]


def test_what_was_appended_comes_back_in_order_after_a_restart(opened: Open) -> None:
    store = opened()
    store.append(entries(1, 2), {})
    store.append(entries(3), {"mqtt": 2})
    store = opened()
    assert store.after(0, 10).events == entries(1, 2, 3)
    assert store.cursor("mqtt") == 2
    assert store.cursor("webhook") is None
    assert (store.mark, store.last_at_start) == (3, 3)


def test_reading_goes_on_after_a_number_and_stops_at_a_limit(opened: Open) -> None:
    store = opened()
    store.append(entries(1, 2, 3, 4), {})
    assert numbers(store, after=1, limit=2) == [2, 3]


def test_an_event_that_may_be_on_disk_already_is_not_written_twice(opened: Open) -> None:
    store = opened(max_events=3)
    store.append(entries(1, 2), {})
    store.append(entries(1, 2, 3), {})
    assert numbers(store) == [1, 2, 3]


def test_the_oldest_leave_when_there_are_too_many(opened: Open) -> None:
    store = opened(max_events=3)
    store.append(entries(1, 2), {})
    assert store.append(entries(3, 4, 5), {}) == [1, 2]
    assert numbers(store) == [3, 4, 5]
    assert store.full_up_to == 2
    store = opened(max_events=3)
    assert store.full_up_to == 2
    assert store.append(entries(6), {}) == [3]


def test_the_oldest_leave_when_they_are_too_large(opened: Open) -> None:
    size_bytes = len(payload(1))
    store = opened(max_bytes=3 * size_bytes)
    store.append(entries(1, 2, 3), {})
    assert store.append(entries(4), {}) == [1]
    store = opened(max_bytes=2 * size_bytes)
    assert store.append([], {"mqtt": 1}) == [2]
    assert numbers(store) == [3, 4]


def test_the_newest_stays_however_large_it_is(opened: Open) -> None:
    store = opened(max_bytes=4096)
    store.append(entries(1), {})
    large = entries(2)[0]._replace(payload=payload(2, rule="r" * 9000))
    assert store.append([large], {}) == [1]
    assert numbers(store) == [2]


def test_numbers_far_apart_count_as_what_they_are(opened: Open) -> None:
    store = opened(max_events=3)
    store.append(entries(1, 2**40, 2**50), {})
    assert store.append(entries(2**51), {}) == [1]
    assert numbers(store) == [2**40, 2**50, 2**51]


def test_a_bound_that_was_lowered_holds_at_the_next_write(opened: Open) -> None:
    opened(max_events=2000).append(entries(*range(1, 1501)), {})
    store = opened(max_events=2)
    assert store.append(entries(1501), {}) == list(range(1, 1500))
    assert numbers(store) == [1500, 1501]


@pytest.mark.parametrize(
    "torn",
    [
        payload(2)[:40],
        b"",
        b"\x00" * 300,
        b"\xff\xfe rubbish",
        b"[1, 2]",
        b'{"type": "event"}',
        payload(3),
        payload(2, rule=7),
        None,
        17,
        "text that is no JSON \udcff".encode("utf-8", "surrogateescape"),
    ],
    ids=str,
)
def test_a_torn_row_is_left_out_and_stays_and_the_rest_is_read(
    opened: Open, path: Path, torn: object
) -> None:
    store = opened()
    store.append(entries(1, 2, 3, 4), {})
    store.close()
    execute(path, "UPDATE event SET payload = ? WHERE number = 2", torn)
    store = opened()
    read = store.after(0, 3)
    assert [event.number for event in read.events] == [1, 3]
    assert (read.damaged, read.up_to) == ([2], 3)
    assert store.after(0, 3) == read
    store.close()
    assert execute(path, "SELECT payload FROM event WHERE number = 2") == [(torn,)]


def test_text_that_is_no_utf_8_is_a_torn_row_and_no_failure_of_the_disk(
    opened: Open, path: Path
) -> None:
    store = opened()
    store.append(entries(1, 2), {})
    store.close()
    execute(path, "UPDATE event SET payload = CAST(x'ff00fe' AS TEXT) WHERE number = 1")
    assert numbers(opened()) == [2]


def test_torn_rows_leave_like_others(opened: Open, path: Path) -> None:
    store = opened(max_events=3)
    store.append(entries(1, 2, 3), {})
    store.close()
    execute(path, "UPDATE event SET payload = NULL WHERE number = 1")
    store = opened(max_events=3)
    assert numbers(store) == [2, 3]
    assert store.append(entries(4), {}) == [1]
    assert store.after(0, 10).damaged == []


@pytest.mark.parametrize("number", [-5, 0, HIGHEST + 1, 2**53 - 1, 2**62])
def test_a_number_that_no_event_can_have_is_told_and_no_other_number_follows_it(
    opened: Open, path: Path, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    store = opened()
    store.append(entries(1), {})
    store.close()
    execute(path, "INSERT INTO event VALUES (?, ?)", number, payload(number))
    store = opened()
    assert f"event {number} is ignored" in caplog.text
    assert store.mark == 1
    store.append(entries(2), {})
    assert numbers(store) == [1, 2]


def test_the_number_of_a_damaged_row_is_not_used_again_without_the_mark(
    opened: Open, path: Path
) -> None:
    opened().append(entries(1, 2**52), {})
    opened().close()
    execute(path, "UPDATE event SET payload = NULL WHERE number > 1")
    assert numbers(opened()) == [1]
    path.with_name("events.db.mark").write_text("1")
    assert opened().mark == 2**52


@pytest.mark.parametrize("number", [-1, HIGHEST + 1, 2.5, "x", b"x", None])
def test_whose_cursor_says_nonsense_gets_all_again(
    opened: Open, path: Path, number: object
) -> None:
    opened().append(entries(1), {"mqtt": 1})
    opened().close()
    execute(path, "UPDATE cursor SET number = ?", number)
    store = opened()
    assert (store.cursor("mqtt"), store.mark) == (0, 1)


def test_a_file_that_is_no_database_is_moved_aside(
    opened: Open, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, but long enough to look at" * 100)
    store = opened()
    store.append(entries(1), {})
    assert numbers(store) == [1]
    aside = path.with_name(f"events.db.damaged-{int(WALL_S)}")
    assert aside.read_bytes().startswith(b"this is no")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_second_damaged_file_does_not_replace_the_first_though_the_clock_stands(
    opened: Open, path: Path
) -> None:
    for text in (b"one" * 100, b"two" * 100):
        opened().close()
        path.write_bytes(text)
    opened()
    kept = [aside.read_bytes() for aside in sorted(path.parent.glob("events.db.damaged-*"))]
    assert kept == [b"one" * 100, b"two" * 100]


def test_after_a_database_with_damaged_pages_numbers_go_on_above_the_mark(
    opened: Open, path: Path
) -> None:
    store = opened()
    store.append(entries(*range(1, 500)), {"mqtt": 3})
    store.reserve(700)
    store.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\x55" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    store = opened()
    assert numbers(store) == []
    assert (store.mark, store.replaced_up_to) == (700, 700)
    assert list(path.parent.glob("events.db.damaged-*"))


def test_a_database_damaged_while_it_is_open_is_replaced_and_says_up_to_where(
    opened: Open, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened()
    store.reserve(700)
    store.append(entries(*range(1, 500)), {})
    store.append([], {"mqtt": 9})
    store.close()
    store.open()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\x55" * 100_000)
    assert numbers(store) == []
    assert store.replaced_up_to == 499
    assert [record.message.split(" (")[0] for record in caplog.records] == [f"{path} is damaged"]
    store.append(entries(500), {})
    assert numbers(store) == [500]


def test_who_still_reads_a_damaged_database_does_no_harm_to_the_new_one(
    opened: Open, path: Path
) -> None:
    opened().append(entries(*range(1, 500)), {})
    store = opened()
    store.reserve(700)
    store.append(entries(500), {})
    command = [sys.executable, "-c", OTHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"500\n"
        store.close()
        store.open()
        with path.open("r+b") as file:
            file.write(b"no database at all" * 5000)
        assert numbers(store) == []
        store.append(entries(501), {})
        assert execute(path, "SELECT number FROM event") == [(501,)]
        other.communicate()
    assert numbers(opened()) == [501]


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE something (else_ TEXT)"],
        ["CREATE TABLE event (number TEXT, payload BLOB, more INTEGER)"],
        ["CREATE TABLE event (number INTEGER PRIMARY KEY, payload BLOB)"],
        ["CREATE TABLE event (number INTEGER PRIMARY KEY)", "PRAGMA user_version = 1"],
        ["PRAGMA user_version = 99"],
    ],
    ids=str,
)
def test_a_database_of_somebody_else_or_of_the_future_is_moved_aside(
    opened: Open, path: Path, statements: list[str]
) -> None:
    path.parent.mkdir()
    for statement in statements:
        execute(path, statement)
    store = opened()
    store.append(entries(1), {})
    assert numbers(store) == [1]
    assert list(path.parent.glob("events.db.damaged-*"))


def test_a_database_whose_making_was_cut_off_is_made_and_is_no_damaged_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path, 3, 4096)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "TABLES", (*schema.TABLES[:2], "CREATE nothing"))
        with pytest.raises(PortError):
            store.open()
    store.append(entries(1), {})
    assert numbers(store) == [1]
    assert not list(path.parent.glob("events.db.damaged-*"))
    store.close()


@pytest.mark.parametrize("value", [-7, 2.5, "x", None])
@pytest.mark.parametrize("column", ["events", "bytes", "full_up_to", "replaced_up_to"])
def test_a_book_that_says_nonsense_is_counted_anew(
    opened: Open, path: Path, column: str, value: object
) -> None:
    store = opened(max_events=3)
    store.append(entries(1, 2, 3), {})
    store.close()
    execute(path, f"UPDATE book SET {column} = ?", value)  # noqa: S608
    size_bytes = len(payload(1))
    store = opened(max_events=3, max_bytes=3 * size_bytes)
    assert (store.full_up_to, store.replaced_up_to) == (0, 0)
    assert store.append(entries(4), {}) == [1]


def test_without_its_mark_numbers_go_on_far_above(
    opened: Open, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened()
    store.append(entries(1, 2), {})
    store.reserve(50)
    store.close()
    path.with_name("events.db.mark").unlink()
    assert opened().mark > 2**40
    assert "event numbers skip far ahead" in caplog.text


def test_a_mark_that_is_not_there_or_cannot_be_read_is_0_at_a_glimpse(path: Path) -> None:
    store = Store(path, 3, 4096)
    assert store.glimpse() == 0
    path.parent.mkdir()
    path.with_name("events.db.mark").mkdir()
    assert store.glimpse() == 0


def test_a_damaged_mark_makes_numbers_go_on_far_above(opened: Open, path: Path) -> None:
    opened().append(entries(1), {})
    path.with_name("events.db.mark").write_text("rubbish")
    assert opened().mark > 2**40


def test_a_mark_that_is_older_than_the_events_is_not_believed(opened: Open, path: Path) -> None:
    opened().append(entries(1, 2, 9), {"mqtt": 12})
    write_mark(path.with_name("events.db.mark"), 4)
    assert opened().mark == 12


def test_a_database_of_another_run_put_in_its_place_is_left_alone(
    opened: Open, path: Path, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other.db", 1000, 1 << 20)
    other.reserve(2000)
    other.append(entries(2000), {})
    other.close()
    store = opened()
    store.reserve(5)
    store.append(entries(1, 2), {})
    (tmp_path / "other.db").replace(path)
    with pytest.raises(PortError, match="restart edged"):
        store.append(entries(3), {})
    store.close()
    assert numbers(opened()) == [2000]


def test_a_database_that_holds_all_numbers_reserved_is_this_runs_own(opened: Open) -> None:
    store = opened()
    store.reserve(3)
    store.append(entries(1, 2, 3), {})
    store.close()
    assert numbers(store) == [1, 2, 3]


def test_a_second_process_is_refused_and_says_so(path: Path) -> None:
    first = Store(path, 3, 4096)
    first.open()
    with pytest.raises(PortError, match="another process writes to it"):
        Store(path, 3, 4096).append(entries(1), {})
    first.close()
    second = Store(path, 3, 4096)
    second.append(entries(1), {})
    second.close()


def test_who_is_refused_for_long_keeps_no_file_open(opened: Open, path: Path) -> None:
    opened()
    refused = Store(path, 3, 4096)
    before = open_files()
    for _ in range(3):
        with pytest.raises(PortError, match="another process writes to it"):
            refused.open()
    assert open_files() == before


def test_where_files_cannot_be_locked_nothing_is_stored_and_the_reason_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    store = Store(path, 3, 4096)
    with monkeypatch.context() as patched:
        patched.setattr("fcntl.flock", none)
        with pytest.raises(PortError, match="No locks available"):
            store.append(entries(1), {})
    assert not path.exists()
    store.append(entries(1), {})
    store.close()


def test_what_another_process_has_put_in_its_place_is_left_to_that_process(
    opened: Open, path: Path
) -> None:
    store = opened()
    store.append(entries(1), {})
    path.parent.rename(path.parent.with_name("away"))
    other = Store(path, 3, 4096)
    other.append(entries(7), {})
    with pytest.raises(PortError, match="another process writes to it"):
        store.append(entries(2), {})
    assert execute(path, "SELECT number FROM event") == [(7,)]
    other.close()


def test_others_may_read_while_it_is_open(opened: Open, path: Path) -> None:
    store = opened()
    store.append(entries(1), {})
    assert execute(path, "SELECT number FROM event") == [(1,)]
    store.append(entries(2), {})
    assert execute(path, "SELECT number FROM event") == [(1,), (2,)]


def test_who_reads_for_long_keeps_nobody_from_writing(opened: Open, path: Path) -> None:
    store = opened()
    store.append(entries(1, 2), {})
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT number FROM event ORDER BY number")
        assert rows.fetchone() == (1,)
        store.append(entries(3), {})
        assert rows.fetchall() == [(2,)]
    assert numbers(store) == [1, 2, 3]


def test_what_is_written_is_waited_for(opened: Open) -> None:
    store = opened()
    assert store._database is not None
    full = 2
    assert store._database.execute("PRAGMA synchronous").fetchone() == (full,)


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line_until_it_can(tmp_path: Path) -> None:
    blocker = tmp_path / "state"
    blocker.write_text("a file where the directory should be")
    store = Store(blocker / "events.db", 3, 4096)
    with pytest.raises(PortError, match="events cannot be stored") as caught:
        store.append(entries(1), {})
    assert "\n" not in str(caught.value)
    blocker.unlink()
    store.append(entries(1), {})
    assert numbers(store) == [1]
    store.close()


def test_a_folder_is_made_with_those_that_hold_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "not" / "there" / "events.db", 3, 4096)
    store.append(entries(1), {})
    assert numbers(store) == [1]
    store.close()


@pytest.mark.parametrize("suffix", ["", ".mark", ".lock"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    opened: Open, path: Path, suffix: str
) -> None:
    opened().close()
    place = path.with_name(path.name + suffix)
    place.unlink()
    os.mkfifo(place)
    store = Store(path, 3, 4096)
    try:
        store.append(entries(1), {})
    except PortError:
        place.unlink()
        store.append(entries(1), {})
    assert numbers(store) == [1]
    store.close()


def test_a_full_disk_is_an_error_and_what_was_stored_can_still_be_read(path: Path) -> None:
    store = Store(path, 100_000, 1 << 30)
    store.reserve(700)
    store.append(entries(1), {})
    assert store._database is not None
    # SQLite's own limit answers exactly as a full disk does: SQLITE_FULL.
    store._database.execute("PRAGMA max_page_count = 8")
    with pytest.raises(PortError, match="full"):
        store.append(entries(*range(2, 500)), {})
    assert numbers(store) == [1]
    store.append(entries(*range(2, 500)), {})
    assert numbers(store) == list(range(1, 500))
    store.close()


def test_a_database_that_another_program_holds_is_no_damage(path: Path) -> None:
    store = Store(path, 100, 1 << 20)
    store.reserve(700)
    store.append(entries(1), {})
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PortError, match="locked"):
            store.append(entries(2), {})
        other.rollback()
    store.append(entries(2), {})
    assert numbers(store) == [1, 2]
    store.close()


def test_a_million_events_open_at_once_and_are_bounded_without_counting(path: Path) -> None:
    store = Store(path, 1_000_000, 1 << 40)
    store.open()
    store.reserve(1_000_000)
    store.close()
    execute(
        path,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
        "INSERT INTO event SELECT i, CAST(i AS BLOB) FROM n",
    )
    execute(path, "INSERT OR REPLACE INTO book VALUES (0, 1000000, 6888896, 0, 0)")
    statements: list[str] = []
    store = Store(path, 1_000_000, 1 << 40)
    store.open()
    assert store._database is not None
    store._database.set_trace_callback(statements.append)
    assert store.append(entries(1_000_001), {}) == [1]
    assert numbers(store, after=1_000_000) == [1_000_001]
    assert not any("count(" in statement or "sum(" in statement for statement in statements)
    store.close()
