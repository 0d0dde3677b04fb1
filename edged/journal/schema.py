"""The tables of the journal's database, and their queries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edged.journal.entry import Entry, decoded
from edged.journal.numbers import HIGHEST

if TYPE_CHECKING:
    import sqlite3

VERSION = 2
"""In the database as its ``user_version``."""

TABLES = (
    "CREATE TABLE event (number INTEGER PRIMARY KEY, payload BLOB)",
    "CREATE TABLE cursor (consumer TEXT PRIMARY KEY, number INTEGER)",
    # One row, so that nothing needs counting.
    "CREATE TABLE book (id INTEGER PRIMARY KEY, events INTEGER, bytes INTEGER, "
    "full_up_to INTEGER, replaced_up_to INTEGER)",
    # The active rules, by the newest event of each.
    "CREATE TABLE held (rule TEXT PRIMARY KEY)",
)

LOG, ROLLBACK = "-wal", "-journal"
BESIDE = (LOG, "-shm", ROLLBACK)
"""Ends the names of the files that SQLite has beside a database."""

LEAST_BLOCK_BYTES = 4096
"""SQLite makes room for the index of its log by a byte in each so many (os_unix.c)."""

CACHE_KIB = 256
"""Pages that SQLite keeps. It would keep 2 MB, and grow for as many events as fill them."""

_EMPTY: tuple[int, set[bytes]] = (0, set())
_FIRST = (1, {statement.encode() for statement in TABLES[:-1]})

SIZE = "coalesce(length(payload), 0)"

_SOUND = f"typeof(number) = 'integer' AND number BETWEEN 0 AND {HIGHEST}"
_LAST = f"""SELECT max(number) FROM (
    SELECT max(number) AS number FROM event WHERE number BETWEEN 1 AND {HIGHEST}
    UNION ALL SELECT max(number) FROM cursor WHERE {_SOUND})"""  # noqa: S608
_NEXT = f"""SELECT number, payload FROM event WHERE number > ? AND number <= {HIGHEST}
    ORDER BY number LIMIT ?"""  # noqa: S608
_STRANGE = f"SELECT number FROM event WHERE number < 1 OR number > {HIGHEST}"  # noqa: S608
_CURSOR = f"SELECT iif({_SOUND}, number, 0) FROM cursor WHERE consumer = ?"  # noqa: S608


class Book(NamedTuple):
    """A summary of the database; for the other fields see `Store`.

    ``last`` is the highest number in it, of an event or a cursor.
    """

    last: int
    events: int
    bytes: int
    full_up_to: int
    replaced_up_to: int


class Read(NamedTuple):
    """Rows in order of number: events, and the numbers of those that are damaged.

    Reading continues after ``up_to``; None if there is nothing.
    """

    events: Sequence[Entry]
    damaged: Sequence[int]
    up_to: int | None


def opened(path: Path) -> tuple[sqlite3.Connection, bool]:
    """The database, with all its tables, for one thread at a time; and whether it was created.

    sqlite3.Error; DatabaseError itself if the file is damaged, or not a journal.
    """
    import sqlite3

    database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        # Text may be damaged, too, and is then not valid.
        database.text_factory = bytes
        mode = mode_for(path)
        if mode != "WAL":
            # Of a log that is there, nothing is mapped then.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA journal_mode = {mode}")
        database.execute("PRAGMA locking_mode = NORMAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if is_journal(database):
            return database, False
        found = _form(database)
        if found not in (_EMPTY, _FIRST):
            raise sqlite3.DatabaseError("it is not a journal of this version of edged")
        with database:
            # Explicitly: statements that create tables do not begin a transaction.
            database.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                if statement.encode() not in found[1]:
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")
        return database, found == _EMPTY
    except BaseException:
        database.close()
        raise


def mode_for(path: Path) -> str:
    """A write-ahead log, which writes half as much as the other way, where that is safe.

    Its index is a file that is mapped into memory. Where the file system has smaller blocks than
    SQLite expects, as ext4 has below 512 MB, not every block of that file has a place on the disk,
    and once the disk is full, the first write to one that has none ends the process (SIGBUS).
    """
    # SQLite follows links.
    folder = Path(os.path.realpath(path)).parent
    is_safe = os.statvfs(folder).f_bsize >= LEAST_BLOCK_BYTES
    return "WAL" if is_safe else "TRUNCATE"


def is_journal(database: sqlite3.Connection) -> bool:
    """Whether it is of this version of edged."""
    return _form(database) == (VERSION, {statement.encode() for statement in TABLES})


def book(database: sqlite3.Connection) -> Book:
    """The summary in the database, counted again if it is not valid."""
    (last,) = database.execute(_LAST).fetchone()
    row = database.execute(
        "SELECT events, bytes, full_up_to, replaced_up_to FROM book WHERE id = 0"
    ).fetchone()
    if row is None or not all(isinstance(value, int) and value >= 0 for value in row):
        totals = database.execute(
            f"SELECT count(*), coalesce(sum({SIZE}), 0) FROM event"  # noqa: S608
        ).fetchone()
        row = (*totals, 0, 0)
    return Book(last or 0, *row)


def cursor(database: sqlite3.Connection, consumer: str) -> int | None:
    """The number up to which `consumer` has everything; None if it is unknown here.

    0 if that is damaged: repeating all is better than skipping.
    """
    row = database.execute(_CURSOR, (consumer,)).fetchone()
    return None if row is None else row[0]


def read(database: sqlite3.Connection, after: int, limit: int) -> Read:
    """The next rows after a number, at most `limit`."""
    rows = database.execute(_NEXT, (after, limit)).fetchall()
    events = [Entry(*row) for row in rows if decoded(*row) is not None]
    sound = {event.number for event in events}
    damaged = [number for number, _ in rows if number not in sound]
    return Read(events, damaged, rows[-1][0] if rows else None)


def event(database: sqlite3.Connection, number: int = 0) -> Entry | None:
    """The event of this number, 0 for the newest; None where there is none that is sound."""
    if number == 0:
        return event_before(database, HIGHEST + 1)
    return _sound(database, "number = ?", number)


def event_before(database: sqlite3.Connection, number: int) -> Entry | None:
    """The newest event with a lower number; None where there is none that is sound."""
    return _sound(database, "number < ?", number)


def _sound(database: sqlite3.Connection, where: str, number: int) -> Entry | None:
    query = f"SELECT number, payload FROM event WHERE {where} ORDER BY number DESC LIMIT 1"  # noqa: S608
    row = database.execute(query, (number,)).fetchone()
    return None if row is None or decoded(*row) is None else Entry(*row)


def held(database: sqlite3.Connection) -> list[str]:
    """The active rules by the newest event of each, if their names are valid."""
    rows = database.execute("SELECT rule FROM held ORDER BY rule").fetchall()
    return [rule.decode(errors="replace") for (rule,) in rows if isinstance(rule, bytes)]


def hold(database: sqlite3.Connection, events: Sequence[Entry]) -> None:
    """Apply the changes of `events`."""
    for entry in events:
        event = decoded(*entry[:2])
        if event is not None and event.active:
            database.execute("INSERT OR REPLACE INTO held VALUES (?)", (event.rule,))
        elif event is not None:
            database.execute("DELETE FROM held WHERE rule = ?", (event.rule,))


def strange(database: sqlite3.Connection) -> list[int]:
    """The numbers of rows that are not valid event numbers."""
    return [number for (number,) in database.execute(_STRANGE)]


def _form(database: sqlite3.Connection) -> tuple[int, set[bytes]]:
    """Its version, and the statements that created its tables."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    made = database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")
    return version, {sql for (sql,) in made}
