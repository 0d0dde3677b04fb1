"""Events on disk: order, bound, damage, a disk that fails."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from edged.errors import PortError
from edged.spool import Spool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


def payloads(spool: Spool) -> list[bytes]:
    return [stored.payload for stored in spool.after(0, 1_000_000)]


def test_what_was_added_comes_back_in_order_after_a_restart(path: Path) -> None:
    first = Spool(path, max_events=10)
    assert first.add([b"a", b"b"]) == [1, 2]
    first.add([b"c"])
    first.close()
    second = Spool(path, max_events=10)
    assert payloads(second) == [b"a", b"b", b"c"]
    assert second.add([b"d"]) == [4]
    second.close()


def test_reading_goes_on_after_a_number_and_stops_at_a_limit(path: Path) -> None:
    spool = Spool(path, max_events=10)
    spool.add([b"a", b"b", b"c", b"d"])
    assert [stored.number for stored in spool.after(1, 2)] == [2, 3]
    spool.close()


def test_what_is_removed_is_gone_and_its_number_is_not_used_again(path: Path) -> None:
    spool = Spool(path, max_events=10)
    spool.add([b"a", b"b"])
    spool.remove([1, 2, 77])
    assert payloads(spool) == []
    assert spool.add([b"c"]) == [3]
    spool.close()


def test_the_oldest_go_when_too_many_wait_and_the_log_says_so_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(path, max_events=3)
    for payload in (b"a", b"b", b"c", b"d", b"e"):
        spool.add([payload])
    assert payloads(spool) == [b"c", b"d", b"e"]
    assert spool.dropped == 2
    assert [record.message for record in caplog.records] == [
        f"{path}: more than 3 events wait; the oldest are dropped"
    ]
    spool.close()


def test_a_file_that_is_no_database_is_moved_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, but long enough to look at" * 100)
    spool = Spool(path, max_events=3, wall_clock=lambda: 1700000000.0)
    spool.add([b"a"])
    assert payloads(spool) == [b"a"]
    assert (path.parent / "events.db.damaged-1700000000").read_bytes().startswith(b"this is no")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    spool.close()


def test_a_database_with_damaged_pages_is_moved_aside(path: Path) -> None:
    spool = Spool(path, max_events=10_000)
    spool.add([b"x" * 300] * 1000)
    spool.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\x55" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    spool = Spool(path, max_events=10_000)
    spool.add([b"a"])
    assert payloads(spool) == [b"a"]
    spool.close()
    assert list(path.parent.glob("events.db.damaged-*"))


def test_a_directory_that_cannot_be_made_is_a_port_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    spool = Spool(tmp_path / "state" / "events.db", max_events=3)
    with pytest.raises(PortError, match="events cannot be stored") as caught:
        spool.add([b"a"])
    assert "\n" not in str(caught.value)


def test_it_works_again_when_the_disk_does(tmp_path: Path) -> None:
    blocker = tmp_path / "state"
    blocker.write_text("")
    spool = Spool(blocker / "events.db", max_events=3)
    with pytest.raises(PortError):
        spool.add([b"a"])
    blocker.unlink()
    spool.add([b"b"])
    assert payloads(spool) == [b"b"]
    spool.close()


def test_a_full_disk_is_a_port_error_and_loses_nothing_that_was_stored(path: Path) -> None:
    spool = Spool(path, max_events=100_000)
    spool.add([b"a"])
    assert spool._database is not None
    # SQLite's own limit answers exactly as a full disk does: SQLITE_FULL.
    spool._database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(PortError, match="full"):
        spool.add([b"x" * 3000] * 100)
    assert payloads(spool) == [b"a"]
    spool.close()


def test_a_second_process_is_refused(path: Path) -> None:
    first = Spool(path, max_events=3)
    first.add([b"a"])
    with pytest.raises(PortError, match="locked"):
        Spool(path, max_events=3).add([b"b"])
    first.close()


def test_an_emptied_file_gives_its_room_back(path: Path) -> None:
    spool = Spool(path, max_events=100_000)
    numbers = spool.add([b"x" * 1000] * 5000)
    spool.remove(numbers)
    spool.close()
    assert path.stat().st_size < 1_000_000


def test_a_million_events_open_at_once_and_leave_in_batches(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE event (number INTEGER PRIMARY KEY, payload BLOB)")
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
            "INSERT INTO event SELECT i, CAST(i AS BLOB) FROM n"
        )
    database.close()
    spool = Spool(path, max_events=1_000_000)
    assert spool.after(0, 2) == [(1, b"1"), (2, b"2")]
    assert spool.add([b"newest"]) == [1_000_001]
    assert spool.after(0, 1) == [(2, b"2")]
    assert spool.after(999_999, 10) == [(1_000_000, b"1000000"), (1_000_001, b"newest")]
    spool.close()
