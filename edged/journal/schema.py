"""The tables of the journal's database, and how it comes to have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec

from edged.journal.numbers import HIGHEST
from edged.messages.message import encoded

if TYPE_CHECKING:
    import sqlite3

VERSION = 1
"""In the database as its ``user_version``."""

Origin: TypeAlias = Literal["made", "found", "spool"]
"""How there came to be a database: made just now, found, or found as edged 0.1 left it."""

TABLES = {
    "event": "number INTEGER PRIMARY KEY, payload BLOB",
    "cursor": "consumer TEXT PRIMARY KEY, number INTEGER",
    "damaged": "number INTEGER, payload BLOB",
    # One row, so that nothing has to be counted.
    "book": "id INTEGER PRIMARY KEY, events INTEGER, bytes INTEGER, "
    "full_up_to INTEGER, replaced_up_to INTEGER",
}

SIZE = "coalesce(length(payload), 0)"
SET_ASIDE = "INSERT INTO damaged SELECT number, payload FROM event WHERE number = ?"
FORGET_DAMAGED = "DELETE FROM damaged WHERE rowid <= (SELECT max(rowid) FROM damaged) - 1000"


class StrangeDatabaseError(Exception):
    """A database that is not damaged, and no journal that this version of edged knows."""


class Book(NamedTuple):
    """What the database holds; `Store` says what the fields mean."""

    last: int
    events: int
    bytes: int
    full_up_to: int
    replaced_up_to: int


def opened(path: Path) -> tuple[sqlite3.Connection, Origin]:
    """The database, with all its tables, for one thread at a time.

    sqlite3.Error, StrangeDatabaseError, OSError.
    """
    import sqlite3

    database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        # Text may be damaged, too, and is then no text.
        database.text_factory = bytes
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        return database, _bring_up_to_date(database)
    except BaseException:
        database.close()
        raise


def book(database: sqlite3.Connection) -> Book:
    """What the database says of itself, counted anew where it says nothing sound."""
    (last,) = database.execute("SELECT max(number) FROM event").fetchone()
    row = database.execute(
        "SELECT events, bytes, full_up_to, replaced_up_to FROM book WHERE id = 0"
    ).fetchone()
    if row is None or not all(isinstance(value, int) and value >= 0 for value in row):
        totals = database.execute(
            f"SELECT count(*), coalesce(sum({SIZE}), 0) FROM event"  # noqa: S608
        ).fetchone()
        row = (*totals, 0, 0)
    return Book(last or 0, *row)


def highest_cursor(database: sqlite3.Connection) -> int:
    """How far the consumer that has read most has read."""
    cursors = (sound_number(row[0]) for row in database.execute("SELECT number FROM cursor"))
    return max((cursor for cursor in cursors if cursor is not None), default=0)


def sound_number(value: object) -> int | None:
    """A value that may be a cursor; None where it is damaged."""
    return value if isinstance(value, int) and 0 <= value <= HIGHEST else None


def _bring_up_to_date(database: sqlite3.Connection) -> Origin:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    found = _tables(database)
    if version == VERSION and found == TABLES:
        # Numbers that no event can have. Looked for first: a full disk can be read all the same.
        ends = "SELECT (SELECT min(number) FROM event), (SELECT max(number) FROM event)"
        lowest, highest = database.execute(ends).fetchone()
        if lowest is not None and not 1 <= lowest <= highest <= HIGHEST:
            with database:
                database.execute("DELETE FROM event WHERE number < 1")
                database.execute("DELETE FROM event WHERE number > ?", (HIGHEST,))
        return "found"
    if version != 0 or found not in ({}, {"event": TABLES["event"]}):
        raise StrangeDatabaseError(f"it is no journal of this version of edged (its is {version})")
    with database:
        # Explicitly: statements that make tables do not begin a transaction by themselves.
        database.execute("BEGIN IMMEDIATE")
        for name, columns in TABLES.items():
            database.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        if found:
            _take_over_spool(database)
        database.execute(f"PRAGMA user_version = {VERSION}")
    return "spool" if found else "made"


def _tables(database: sqlite3.Connection) -> dict[str, str]:
    """Each table's columns, as they stand in the statement that made it."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    found = {}
    for name, sql in database.execute(query):
        columns = (sql or b"").partition(b"(")[2].rpartition(b")")[0]
        found[name.decode("utf-8", "replace")] = columns.decode("utf-8", "replace")
    return found


def _take_over_spool(database: sqlite3.Connection) -> None:
    """Number the events that edged 0.1 kept for the broker alone; it has none of them yet."""
    number, oldest = -1, None
    query = "SELECT number, payload FROM event WHERE number > ? ORDER BY number LIMIT 500"
    while rows := database.execute(query, (number,)).fetchall():
        for number, payload in rows:
            oldest = number if oldest is None else oldest
            try:
                event: dict[str, Any] = msgspec.json.decode(payload, type=dict)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
                continue
            numbered = encoded({"type": "event", **event, "number": number})
            database.execute("UPDATE event SET payload = ? WHERE number = ?", (numbered, number))
    if oldest is not None:
        database.execute("INSERT INTO cursor VALUES ('mqtt', ?)", (max(0, oldest - 1),))
