"""The journal's files: events and cursors in an SQLite database, a mark and a lock."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edged.errors import PortError
from edged.journal import numbers, schema
from edged.journal.entry import Entry
from edged.journal.schema import Read

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

T = TypeVar("T")


class Store:
    """Numbered events on disk, durable when `append` returns, limited in number and bytes.

    Called by one thread at a time. Every call opens closed files, raises PortError while the disk
    fails (full, read-only, locked by another process), and may be retried. A damaged database is
    moved aside, with one line in the log, and an empty one replaces it; a damaged row stays, and is
    not an event.

    Once it was open, ``mark`` is the number up to which numbers may have been used before, and
    ``last_at_start`` the highest that was on disk; ``held_at_start`` are the rules that were active
    by the last event of each. Events up to ``full_up_to`` were removed because of a limit, and
    those up to ``replaced_up_to`` with a damaged database.
    """

    def __init__(
        self,
        path: Path,
        max_events: int,
        max_bytes: int,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.mark = 0
        self.last_at_start = 0
        self.held_at_start: list[str] = []
        self.full_up_to = 0
        self.replaced_up_to = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._wall_clock = wall_clock
        self._mark_path = path.with_name(f"{path.name}.mark")
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._inodes: dict[Path, tuple[int, int] | None] = {}
        self._lock: int | None = None
        self._database: sqlite3.Connection | None = None
        self._started = False
        self._reserved = 0
        self._last = 0
        self._events = self._bytes = 0

    def open(self) -> None:
        """Open the files, unless they are open."""
        self._guarded(lambda _: None)

    def reserve(self, number: int) -> None:
        """Numbers up to this one may be used, and stored, from now on."""
        self._guarded(lambda _: numbers.write_mark(self._mark_path, number))
        self._reserved = number

    def append(self, events: Sequence[Entry], cursors: Mapping[str, int]) -> list[int]:
        """Write everything in one transaction; the numbers of the events removed to make room."""
        return self._guarded(lambda database: self._append(database, events, cursors))

    def after(self, number: int, limit: int) -> Read:
        """The next rows after `number`, at most `limit`."""
        return self._guarded(lambda database: schema.read(database, number, limit))

    def cursor(self, consumer: str) -> int | None:
        """The number up to which `consumer` has everything; None if it is unknown here."""
        return self._guarded(lambda database: schema.cursor(database, consumer))

    def glimpse(self) -> int:
        """The mark, even of a store that cannot be opened; 0 without one."""
        try:
            return numbers.read_mark(self._mark_path) or 0
        except OSError:
            return 0

    def close(self) -> None:
        """Close the files."""
        self._close_database()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Done by the thread that needs the disk: the start waits neither for the disk nor for this
        # import.
        import sqlite3

        try:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                # Its subclasses mean other things: only DatabaseError itself means a damaged file.
                if type(error) is not sqlite3.DatabaseError:
                    raise
                self._set_aside(error)
                return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self._close_database()
            raise PortError(f"{self.path}: events cannot be stored: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None:
            self._check_place()
        if self._database is None:
            self._take_lock()
        new = not self._mark_path.exists() and not self.path.exists()
        # Before the database: if that exists alone, the mark has been removed.
        if new or self.glimpse() < self._reserved:
            numbers.write_mark(self._mark_path, self._reserved)
        if self._database is None:
            before = self._last
            self._database, made = schema.opened(self.path)
            self._inodes = {path: _inode(path) for path in (self.path, self._lock_path)}
            book = schema.book(self._database)
            self._last, self._events, self._bytes = book.last, book.events, book.bytes
            self.full_up_to, self.replaced_up_to = book.full_up_to, book.replaced_up_to
            if not self._started:
                before = self.mark = self._reserved = self._read_mark()
                self.last_at_start = self._last
                self.held_at_start = schema.held(self._database)
                self._started = True
            elif self._last > self._reserved:
                raise OSError("its numbers are higher than those of this run; restart edged")
            for number in schema.strange(self._database):
                log.error("%s: event %d is ignored: its number is not valid", self.path, number)
            if made:
                # What was on disk before no longer exists.
                self.replaced_up_to = before
        return self._database

    def _check_place(self) -> None:
        """Close files that have been moved or removed."""
        moved = [path for path, inode in self._inodes.items() if _inode(path) != inode]
        if not moved:
            return
        log.error("%s was removed or replaced while edged used it; reopened", moved[0])
        self.close()
        self._take_lock()
        if self.path in moved:
            self._remove_log()

    def _remove_log(self) -> None:
        # SQLite would treat it as part of another database in the same place.
        for suffix in schema.BESIDE:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _take_lock(self) -> None:
        """Make this the only writing process, until closed."""
        if self._lock is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A file of its own: SQLite must be the only one to open the database, whose locks end when
        # any descriptor of it is closed, and the mark is replaced by a new file each time.
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise OSError("another process writes to it; give each its own device") from error
            raise
        self._lock = lock

    def _read_mark(self) -> int:
        mark = numbers.read_mark(self._mark_path)
        if mark is not None:
            return max(mark, self._last)
        log.warning("%s holds no number; event numbers skip far ahead", self._mark_path)
        return numbers.somewhere_above(self._last, self._wall_clock())

    def _append(
        self, database: sqlite3.Connection, events: Sequence[Entry], cursors: Mapping[str, int]
    ) -> list[int]:
        # After an error it is unknown whether a transaction has reached the disk.
        new = [event for event in events if event.number > self._last]
        with database:
            database.executemany(
                "INSERT INTO event VALUES (?, ?)", ((event.number, event.payload) for event in new)
            )
            database.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?)", cursors.items())
            schema.hold(database, new)
            self._events += len(new)
            self._bytes += sum(len(event.payload) for event in new)
            gone = self._prune(database)
            database.execute(
                "INSERT OR REPLACE INTO book VALUES (0, ?, ?, ?, ?)",
                (self._events, self._bytes, self.full_up_to, self.replaced_up_to),
            )
        if new:
            self._last = new[-1].number
        return gone

    def _prune(self, database: sqlite3.Connection) -> list[int]:
        gone: list[int] = []
        oldest = f"SELECT number, {schema.SIZE} FROM event ORDER BY number"  # noqa: S608
        for number, size_bytes in database.execute(oldest):
            few = self._events <= self._max_events and self._bytes <= self._max_bytes
            # The newest stays, however large it is.
            if few or self._events <= 1:
                break
            gone.append(number)
            self._events -= 1
            self._bytes -= size_bytes
        else:
            self._events = self._bytes = 0
        if gone:
            database.execute("DELETE FROM event WHERE number <= ?", (gone[-1],))
            self.full_up_to = max(self.full_up_to, gone[-1])
        return gone

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _set_aside(self, error: Exception) -> None:
        self._close_database()
        # Several in one second, if the clock is stopped.
        names = (f"{self.path.name}.damaged-{int(self._wall_clock()) + n}" for n in count())
        aside = next(path for path in map(self.path.with_name, names) if not path.exists())
        self.path.rename(aside)
        self._remove_log()
        log.error("%s is damaged (%s); kept as %s", self.path, error, aside.name)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
