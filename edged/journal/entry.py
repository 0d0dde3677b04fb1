"""The entries of a journal, and the pages that consumers read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edged.messages.events import EventMessage


class Entry(NamedTuple):
    """One message, with its number.

    A gap stands for all numbers from ``first`` to ``number``; an event has no ``first``.
    """

    number: int
    payload: bytes
    first: int | None = None

    @property
    def before(self) -> int:
        """The number after which this entry comes."""
        return (self.number if self.first is None else self.first) - 1


class Page(NamedTuple):
    """Entries in order of number; reading continues after ``up_to``."""

    entries: Sequence[Entry]
    up_to: int


def decoded(number: int, payload: object) -> EventMessage | None:
    """The event in a row of the journal; None if the row is damaged."""
    if not isinstance(payload, bytes):
        return None
    try:
        event = msgspec.json.decode(payload, type=EventMessage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event if event.number == number else None
