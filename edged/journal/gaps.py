"""Numbers that are missing, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edged.journal.entry import Entry, Page
from edged.messages.events import GapMessage, GapReason
from edged.messages.message import Moment


class Losses(NamedTuple):
    """The known reasons for lost events.

    Those up to ``full_up_to`` were removed because of a limit, those up to ``replaced_up_to`` with
    a damaged database, and those with numbers in ``damaged`` cannot be read.
    """

    full_up_to: int
    replaced_up_to: int
    damaged: Sequence[int] = ()

    def reason(self, first: int, last: int) -> GapReason:
        """Why the numbers from `first` to `last` are missing."""
        if last <= self.replaced_up_to or any(first <= one <= last for one in self.damaged):
            return "damaged"
        return "full" if first <= self.full_up_to else "crash"


def with_gaps(events: Sequence[Entry], after: int, end: int, losses: Losses, at: Moment) -> Page:
    """`events`, and a gap for each run of missing numbers between them, from `after` to `end`."""
    entries = []
    for event in events:
        if event.number > after + 1:
            entries.append(_lost(after + 1, event.number - 1, losses, at))
        entries.append(event)
        after = event.number
    if end > after:
        entries.append(_lost(after + 1, end, losses, at))
    return Page(entries, max(after, end))


def gap(first: int, last: int, reason: GapReason, at: Moment) -> bytes:
    """The JSON of a gap."""
    message = GapMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        first=first,
        last=last,
        reason=reason,
    )
    return message.json()


def _lost(first: int, last: int, losses: Losses, at: Moment) -> Entry:
    return Entry(last, gap(first, last, losses.reason(first, last), at), first)
