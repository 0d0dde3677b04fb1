"""Events on disk, in order, until they are delivered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from edged.errors import PortError

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

T = TypeVar("T")

SHRINK_PAGES = 256
"""An emptied file of more pages than this (1 MiB) gives its room back to the disk."""


class Stored(NamedTuple):
    """One stored message; numbers only ever grow."""

    number: int
    payload: bytes


class Spool:
    """A bounded queue of messages in one SQLite file, durable when `add` returns.

    One thread only: the one that calls first, for that call opens the file. Every call raises
    PortError while the disk fails it (full, read-only, held by another process), and may be tried
    again. A damaged file is moved aside, with one line in the log, and an empty one takes its
    place.
    """

    def __init__(
        self, path: Path, max_events: int, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.max_events = max_events
        self.dropped = 0
        """Messages given up because more than ``max_events`` waited."""
        self._wall_clock = wall_clock
        self._database: sqlite3.Connection | None = None
        self._last = 0

    def add(self, payloads: Sequence[bytes]) -> list[int]:
        """Store in this order; their numbers. The oldest go where ``max_events`` is exceeded."""
        return self._guarded(lambda database: self._add(database, payloads))

    def after(self, number: int, limit: int) -> list[Stored]:
        """The oldest stored messages with a greater number, in order, at most `limit`."""
        query = "SELECT number, payload FROM event WHERE number > ? ORDER BY number LIMIT ?"

        def read(database: sqlite3.Connection) -> list[Stored]:
            return [Stored(*row) for row in database.execute(query, (number, limit))]

        return self._guarded(read)

    def remove(self, numbers: Iterable[int]) -> int:
        """Forget what is delivered; how many of them were there."""
        rows = [(number,) for number in numbers]
        return self._guarded(lambda database: self._remove(database, rows))

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _add(self, database: sqlite3.Connection, payloads: Sequence[bytes]) -> list[int]:
        numbers = list(range(self._last + 1, self._last + 1 + len(payloads)))
        with database:
            database.executemany(
                "INSERT INTO event VALUES (?, ?)", zip(numbers, payloads, strict=True)
            )
            # By number and not by count: counting a million rows costs a second on a slow card.
            # Messages leave in order, so the numbers have next to no gaps.
            gone = database.execute(
                "DELETE FROM event WHERE number <= ?",
                (self._last + len(payloads) - self.max_events,),
            ).rowcount
        self._last += len(payloads)
        if gone > 0:
            if self.dropped == 0:
                log.warning(
                    "%s: more than %d events wait; the oldest are dropped",
                    self.path,
                    self.max_events,
                )
            self.dropped += gone
        return numbers

    def _remove(self, database: sqlite3.Connection, rows: list[tuple[int]]) -> int:
        with database:
            gone = database.executemany("DELETE FROM event WHERE number = ?", rows).rowcount
        if database.execute("SELECT 1 FROM event LIMIT 1").fetchone() is None:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            if pages > SHRINK_PAGES:
                database.execute("VACUUM")
        return gone

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Left to the thread that writes: the start waits neither for the disk nor for this.
        import sqlite3

        try:
            try:
                return work(self._opened())
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                # Not an OperationalError: the file itself is damaged or no database at all.
                self._set_aside(error)
                return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise PortError(f"{self.path}: events cannot be stored: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = database = sqlite3.connect(self.path, timeout=1.0)
            # Exclusive: two processes on one file would each send what the other made.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute(
                "CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY, payload BLOB)"
            )
            (last,) = database.execute("SELECT max(number) FROM event").fetchone()
            self._last = max(self._last, last or 0)
        return self._database

    def _set_aside(self, error: sqlite3.Error) -> None:
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._wall_clock())}")
        self.path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        log.error("%s is damaged (%s); kept as %s", self.path, error, aside.name)
