"""Who only looks into a journal is told what is there, and of each gap, in order and once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import JournalConfig
from edged.journal import reader as module
from edged.journal import schema
from edged.journal.journal import Journal
from edged.journal.reader import Reader, found_journal
from tests.journal.made import record, threadless, told

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A journal of three events at most, that a daemon has open."""
    opened = threadless(path, max_events=3)
    opened.sync()
    yield opened
    opened.close()


@pytest.fixture
def reader(path: Path) -> Reader:
    return Reader(path, "porch")


def written(journal: Journal, count: int) -> None:
    record(journal, count)
    journal.sync()


def page(reader: Reader) -> list[Any]:
    return [told(entry) for entry in reader.page()]


def test_what_left_before_it_looked_is_of_no_interest_and_what_left_since_is_a_gap(
    journal: Journal, reader: Reader
) -> None:
    written(journal, 5)
    assert page(reader) == [3, 4, 5]
    assert page(reader) == []
    written(journal, 5)
    assert page(reader) == [(6, 7, "full"), 8, 9, 10]


def test_a_damaged_row_before_all_others_is_a_gap(
    journal: Journal, reader: Reader, path: Path
) -> None:
    written(journal, 5)
    journal.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE event SET payload = x'00' WHERE number = 3")
    assert page(reader) == [(3, 3, "damaged"), 4, 5]
    assert reader.damaged == 1


def test_what_is_written_while_it_looks_comes_with_the_next_page(
    journal: Journal, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(journal, 3)
    assert page(reader) == [1, 2, 3]
    written(journal, 1)

    def meanwhile(*arguments: Any) -> schema.Read:
        written(journal, 4)
        return read(*arguments)

    read = schema.read
    with monkeypatch.context() as patched:
        patched.setattr(module.schema, "read", meanwhile)
        first = page(reader)
    assert first == [4]
    assert page(reader) == [(5, 5, "full"), 6, 7, 8]


def test_a_journal_that_began_anew_with_one_event_is_read_from_there(
    journal: Journal, reader: Reader, path: Path
) -> None:
    written(journal, 2)
    assert page(reader) == [1, 2]
    journal.close()
    for name in ("events.db", "events.db.mark"):
        path.with_name(name).unlink()
    again = threadless(path)
    again.sync()
    assert page(reader) == []
    written(again, 1)
    assert page(reader) == [1]
    again.close()


def test_the_services_journal_is_looked_for_where_systemd_lets_the_service_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unit = (ROOT / "systemd" / "edged.service").read_text()
    folder = re.search(r"^StateDirectory=(.+)$", unit, re.MULTILINE)
    assert folder is not None
    service = Path("/var/lib") / folder[1]
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(module, "may_exist", lambda path: path.is_relative_to(service))
    assert found_journal(JournalConfig(), "porch") == service / "events-porch.db"


def test_one_event_is_found_by_its_number_and_the_newest_without(
    journal: Journal, reader: Reader
) -> None:
    assert reader.event() is None
    written(journal, 5)
    found, newest = reader.event(4), reader.event()
    assert found is not None
    assert newest is not None
    assert (told(found), told(newest)) == (4, 5)
    # The oldest has left, the next is not there yet.
    assert reader.event(1) is None
    assert reader.event(6) is None


def test_an_event_that_is_damaged_is_none(journal: Journal, reader: Reader, path: Path) -> None:
    written(journal, 3)
    journal.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE event SET payload = x'00' WHERE number = 3")
    assert reader.event(3) is None
