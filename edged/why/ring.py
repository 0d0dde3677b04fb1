"""The newest of what decisions are made from, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from edged.recording.entries import Began, Sight

if TYPE_CHECKING:
    from edged.core import Deciding
    from edged.recording.entries import Entry

CHECKPOINT_S = 5.0
"""How often what the rules hold is kept, too: whoever decides again begins at such a place."""

ENTRY_BYTES = 300
"""What an entry takes beside its arrays."""


class Part(msgspec.Struct, frozen=True):
    """Entries in their order; reading goes on at ``position``. ``missed`` are gone before them."""

    entries: list[Entry]
    position: int
    missed: int


class Ring:
    """Filled by the loop in about a microsecond a frame, and read by any thread.

    An entry's position is how many came before it since the start.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        """Whatever is older than `seconds` or beyond `max_bytes` leaves."""
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: deque[tuple[float, int, Entry]] = deque()
        self._first = 0
        self._bytes = 0
        self._checkpoint_s = 0.0

    def add(self, entry: Entry, at_s: float, deciding: Deciding | None) -> None:
        """The newest, of `at_s`; `deciding` is what decided on it. The loop's thread only."""
        self._append(entry, at_s)
        if at_s >= self._checkpoint_s and deciding is not None:
            self.begin(deciding, at_s)

    def begin(self, deciding: Deciding, at_s: float) -> None:
        """A place to begin at; `deciding` holds what it does now. The loop's thread only."""
        self._checkpoint_s = at_s + CHECKPOINT_S
        self._append(Began(deciding, deciding.decider.state(), 0), at_s)

    def start(self, at_s: float) -> int:
        """The position of the last place to begin at before `at_s`, else of the first one."""
        start = self._first
        with self._lock:
            places = [
                (position, began_s)
                for position, (began_s, _, entry) in enumerate(self._entries, self._first)
                if isinstance(entry, Began)
            ]
        for place, (position, began_s) in enumerate(places):
            if place == 0 or began_s <= at_s:
                start = position
        return start

    def since(self, position: int) -> Part:
        """All from `position` on that is still there."""
        with self._lock:
            missed = max(0, self._first - position)
            skipped = max(0, position - self._first)
            entries = [entry for _, _, entry in list(self._entries)[skipped:]]
            return Part(entries, self._first + len(self._entries), missed)

    def _append(self, entry: Entry, at_s: float) -> None:
        size = _bytes(entry)
        with self._lock:
            self._entries.append((at_s, size, entry))
            self._bytes += size
            oldest_s = at_s - self._seconds
            while self._bytes > self._max_bytes or self._entries[0][0] < oldest_s:
                self._bytes -= self._entries.popleft()[1]
                self._first += 1


def _bytes(entry: Entry) -> int:
    match entry:
        case Sight():
            picture = 0 if entry.frame is None else entry.frame.pixels.nbytes
            return ENTRY_BYTES + entry.scores.nbytes + picture
        case Began():
            return ENTRY_BYTES + len(entry.state.classes) + 50 * len(entry.deciding.decider.names)
        case _:
            return ENTRY_BYTES
