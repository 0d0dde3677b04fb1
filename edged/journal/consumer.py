"""A reader of the journal, which continues where it stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from edged.journal.entry import Page

if TYPE_CHECKING:
    from edged.journal.journal import Journal


class Consumer:
    """A reader with a cursor in the journal: it has everything up to there. Created by the journal.

    It reads with `after`, from the number that `rewind` returns, any number of times, and calls
    `advance` when it has safely processed what it read. Any thread may call; only `after` waits for
    the disk.

    ``behind`` turns true, and ``wake`` is called, when there are earlier events than those it reads
    now: its cursor was read from the disk, or a failed disk works again. Call `rewind` then.
    ``dropped`` counts the events that left the journal before it read them.
    """

    def __init__(
        self,
        name: str,
        journal: Journal,
        lock: threading.Lock,
        wake: Callable[[], None],
        cursor: int | None,
    ) -> None:
        self.name = name
        self.wake = wake
        self.behind = False
        self.dropped = 0
        self.cursor = cursor or 0
        self.known = cursor is not None
        """Whether the cursor is the journal's, and no longer a guess."""
        self.skipped = False
        """Whether entries on a failed disk were skipped; the cursor then stays before them."""
        self._skipped_up_to = 0
        self._heard = self.cursor
        self.loss_told = False
        self._journal = journal
        self._lock = lock

    @property
    def last(self) -> int:
        """The newest number."""
        return self._journal.last

    def newest(self, number: int) -> bytes | None:
        """The JSON of one of the events that were recorded last."""
        return self._journal.newest(number)

    def after(self, number: int, limit: int) -> Page:
        """The next entries after `number`, at most `limit` and the gaps between them."""
        return self._journal.page(self, number, limit)

    def refused(self, first: int, last: int) -> bytes:
        """The JSON of a gap: these are in the journal, but their receiver refused them."""
        return self._journal.gap(first, last, "refused")

    def rewind(self) -> int:
        """The cursor: continue to read after it."""
        with self._lock:
            self.behind = self.skipped = False
            return self.cursor

    def go_back(self, number: int) -> None:
        """What comes after this number is read again, as far as the journal still has it."""
        with self._lock:
            self.cursor = min(self.cursor, number)
        self._journal.cursor_moved()

    def skip(self, number: int) -> None:
        """Unread entries up to this number cannot be read now. Called with the lock held."""
        self.skipped = True
        self._skipped_up_to = number

    def has(self, number: int) -> bool:
        """Whether it has read this event, processed or not. Called with the lock held."""
        return number <= self.cursor or self._skipped_up_to < number <= self._heard

    def advance(self, number: int) -> None:
        """Everything up to this number that was read since the last rewind is processed."""
        with self._lock:
            self._heard = max(self._heard, number)
            if self.skipped or number <= self.cursor:
                return
            self.cursor = number
            if number >= self._journal.last:
                self.loss_told = False
        self._journal.cursor_moved()
