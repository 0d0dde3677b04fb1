"""A journal as others read it: while the daemon writes it, or when none runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edged import access
from edged.config.schema import JournalConfig
from edged.errors import PortError
from edged.journal import schema
from edged.journal.entry import Entry, decoded
from edged.journal.gaps import Losses, with_gaps
from edged.journal.paths import journal_path
from edged.messages.message import Moment
from edged.paths import may_exist

if TYPE_CHECKING:
    import sqlite3

SERVICE = Path("/var/lib/edged")

PAGE = 1000
"""Rows read at a time."""


def found_journal(journal: JournalConfig, device: str) -> Path:
    """Where the journal of `device` is: where one's own would be, else at the service's."""
    own = journal_path(journal, device)
    service = (SERVICE / own.name, SERVICE / device / own.name)
    candidates = (own,) if journal.path else (own, *service)
    return next((path for path in candidates if may_exist(path)), own)


class Reader:
    """Reads the events of a journal in order, and leaves it as it is.

    ``damaged`` counts the rows that could not be read.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.damaged = 0
        self._path = path
        self._device = device
        self._up_to: int | None = None

    def new(self) -> Iterator[Entry]:
        """The events that were not read before, and the gaps between them. PortError."""
        import sqlite3

        try:
            while entries := self._next_page():
                yield from entries
        except sqlite3.OperationalError as error:
            raise PortError(f"{self._path}: {error}{self._advice()}") from error
        except sqlite3.DatabaseError as error:
            raise PortError(
                f"{self._path} is damaged ({error}); edged moves it aside when it starts"
            ) from error

    def _next_page(self) -> list[Entry]:
        # Opened each time: the daemon may have put another file in its place.
        database = self._opened()
        try:
            rows = database.execute(
                "SELECT number, payload FROM event WHERE number > ? ORDER BY number LIMIT ?",
                (0 if self._up_to is None else self._up_to, PAGE),
            ).fetchall()
            book = schema.book(database)
        finally:
            database.close()
        if not rows:
            return []
        events = [Entry(*row) for row in rows if decoded(*row) is not None]
        sound = {event.number for event in events}
        damaged = [number for number, _ in rows if number not in sound]
        self.damaged += len(damaged)
        losses = Losses(book.full_up_to, book.replaced_up_to, damaged)
        after = rows[0][0] - 1 if self._up_to is None else self._up_to
        self._up_to = rows[-1][0]
        at = Moment.now(self._device, time.monotonic, time.time)
        return list(with_gaps(events, after, self._up_to, losses, at).entries)

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        if not may_exist(self._path):
            raise PortError(f"{self._path}: no journal yet; `edged run` begins it")
        if not os.access(self._path, os.R_OK):
            raise PortError(f"{self._path}: not permitted; {access.advice(self._path, os.R_OK)}")
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        try:
            return self._looked_into(address)
        except sqlite3.OperationalError:
            if self._path.with_name(f"{self._path.name}-wal").exists():
                raise
            # Nobody writes, and we may not write either, what SQLite needs beside the file to share
            # it.
            return self._looked_into(f"{address}&immutable=1")

    def _looked_into(self, address: str) -> sqlite3.Connection:
        import sqlite3

        database = sqlite3.connect(address, uri=True, timeout=1.0)
        try:
            database.text_factory = bytes
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != schema.VERSION:
                raise PortError(
                    f"{self._path}: not a journal of this version of edged; "
                    "it becomes one when edged starts"
                )
            return database
        except BaseException:
            database.close()
            raise

    def _advice(self) -> str:
        if os.access(self._path.parent, os.W_OK):
            return ""
        owner = access.advice(self._path.parent, os.W_OK)
        return f"; {owner}"
