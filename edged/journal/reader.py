"""Reads a journal from outside the daemon, whether or not one runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edged import access
from edged.config.schema import JournalConfig
from edged.errors import PortError
from edged.journal import schema
from edged.journal.entry import Entry
from edged.journal.gaps import Losses, with_gaps
from edged.journal.paths import journal_path
from edged.messages.events import put_right
from edged.messages.message import Moment
from edged.paths import may_exist

if TYPE_CHECKING:
    import sqlite3

SERVICE = Path("/var/lib/edged")

T = TypeVar("T")

PAGE = 1000
"""Rows read at a time."""

LOCKED_S = 10.0
"""How long a daemon may take to write; without a write-ahead log, others wait meanwhile."""


def found_journal(journal: JournalConfig, device: str) -> Path:
    """The journal of `device`: the user's own, else the service's."""
    own = journal_path(journal, device)
    service = (SERVICE / own.name, SERVICE / device / own.name)
    candidates = (own,) if journal.path else (own, *service)
    return next((path for path in candidates if may_exist(path)), own)


class Reader:
    """Reads the events of a journal in order, without changing it.

    ``damaged`` counts the rows that could not be read.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.damaged = 0
        self._path = path
        self._device = device
        self._up_to = 0

    def page(self) -> list[Entry]:
        """The next events that were not read before, and the gaps between them. PortError.

        Times of a wrong clock are corrected if the right time is known by now.
        """
        return self._sound(self._next_page)

    def event(self, number: int = 0) -> Entry | None:
        """The event of this number, 0 for the newest; None where there is none. PortError."""
        return self._found(lambda database: schema.event(database, number))

    def event_before(self, number: int) -> Entry | None:
        """The newest event with a lower number; None where there is none. PortError."""
        return self._found(lambda database: schema.event_before(database, number))

    def _found(self, find: Callable[[sqlite3.Connection], Entry | None]) -> Entry | None:
        def read() -> Entry | None:
            with closing(self._opened()) as database:
                found = find(database)
            return found and found._replace(payload=put_right(found.payload))

        return self._sound(read)

    def _sound(self, read: Callable[[], T]) -> T:
        import sqlite3

        try:
            return read()
        except sqlite3.OperationalError as error:
            raise PortError(f"{self._path}: {error}{self._advice()}") from error
        except sqlite3.DatabaseError as error:
            raise PortError(
                f"{self._path} is damaged ({error}); edged moves it aside when it starts"
            ) from error

    def _next_page(self) -> list[Entry]:
        # Opened each time: the daemon may have replaced the file.
        with closing(self._opened()) as database:
            database.execute("BEGIN")
            book = schema.book(database)
            if 0 < book.last < self._up_to:
                # It is another journal, read from its beginning.
                self._up_to = 0
            read = schema.read(database, self._up_to, PAGE)
        if read.up_to is None:
            return []
        self.damaged += len(read.damaged)
        # Events removed before the first row do not matter.
        first = min([*read.damaged, *(event.number for event in read.events)])
        after, self._up_to = self._up_to or first - 1, read.up_to
        losses = Losses(book.full_up_to, book.replaced_up_to, read.damaged)
        at = Moment.now(self._device, time.monotonic, time.time)
        events = [event._replace(payload=put_right(event.payload)) for event in read.events]
        return list(with_gaps(events, after, self._up_to, losses, at).entries)

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        if not may_exist(self._path):
            raise PortError(f"{self._path}: no journal yet; `edged run` creates it")
        if not os.access(self._path, os.R_OK):
            raise PortError(f"{self._path}: not permitted; {access.advice(self._path, os.R_OK)}")
        if not self._path.is_file():
            raise PortError(f"{self._path}: not a regular file; remove it")
        address = self._path.absolute().as_uri()
        try:
            return self._looked_into(f"{address}?mode=ro")
        except sqlite3.OperationalError:
            if self._size_bytes(schema.ROLLBACK):
                # Perhaps a daemon was killed while it wrote: who may write can take that back.
                if not all(os.access(path, os.W_OK) for path in (self._path, self._path.parent)):
                    raise
                return self._looked_into(f"{address}?mode=rw")
            if self._size_bytes(schema.LOG) is not None:
                raise
            # No process writes the files that SQLite needs for sharing, nor may this user.
            return self._looked_into(f"{address}?mode=ro&immutable=1")

    def _size_bytes(self, end: str) -> int | None:
        """Of a file beside it; None if there is none."""
        try:
            return self._path.with_name(self._path.name + end).stat().st_size
        except OSError:
            return None

    def _looked_into(self, address: str) -> sqlite3.Connection:
        import sqlite3

        database = sqlite3.connect(address, uri=True, timeout=LOCKED_S)
        try:
            database.text_factory = bytes
            if not schema.is_journal(database):
                raise PortError(
                    f"{self._path}: not a journal of this version of edged, "
                    "which moves it aside when it starts"
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
