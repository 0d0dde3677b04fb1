"""What events are worth, by what was really there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from edged.core import Event
from edged.tuning.marks import Mark

DAY_S = 86400.0

SLACK_S = 1.0
"""A person's mark may be late or early by this."""


class Outcome(NamedTuple):
    """Over some time: marks, those that got an event, and the events that are wrong.

    The first event that begins within a mark is right. Every other is a false alarm, of which
    ``repeats`` are within marks that have one already. ``delays_s`` are those of the right ones.
    """

    duration_s: float
    marks: int
    hits: int
    false_alarms: int
    repeats: int
    delays_s: tuple[float, ...]

    @property
    def misses(self) -> int:
        """Marks without an event."""
        return self.marks - self.hits

    @property
    def recall(self) -> float:
        """The share of marks that got an event; 1 where there is no mark."""
        return self.hits / self.marks if self.marks else 1.0

    @property
    def per_day(self) -> float:
        """False alarms a day."""
        return self.false_alarms / self.duration_s * DAY_S if self.duration_s else 0.0

    def delay_s(self, part: float) -> float | None:
        """The percentile of the delays, by nearest rank; None where there is none."""
        ordered = sorted(self.delays_s)
        return ordered[round(part * (len(ordered) - 1))] if ordered else None


def judge(events: Sequence[Event], marks: Sequence[Mark], first_s: float, last_s: float) -> Outcome:
    """Of what happened from `first_s` to `last_s`; `marks` are in order and apart.

    A mark belongs where it begins, and an event where it is decided or where its mark belongs.
    """
    within = [mark for mark in marks if first_s <= mark.start_s < last_s]
    begins_s = [event.decided_s for event in events if event.active]
    owners = [_owner(at_s, marks) for at_s in begins_s]
    delays_s: dict[Mark, float] = {}
    false_alarms = repeats = 0
    for at_s, mark in zip(begins_s, owners, strict=True):
        if mark is None:
            false_alarms += first_s <= at_s < last_s
        elif first_s <= mark.start_s < last_s:
            if mark in delays_s:
                repeats += 1
            else:
                delays_s[mark] = max(0.0, at_s - mark.start_s)
    return Outcome(
        last_s - first_s,
        len(within),
        len(delays_s),
        false_alarms + repeats,
        repeats,
        tuple(delays_s.values()),
    )


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """All of them as one."""
    return Outcome(
        sum(one.duration_s for one in outcomes),
        sum(one.marks for one in outcomes),
        sum(one.hits for one in outcomes),
        sum(one.false_alarms for one in outcomes),
        sum(one.repeats for one in outcomes),
        tuple(delay_s for one in outcomes for delay_s in one.delays_s),
    )


def _owner(at_s: float, marks: Sequence[Mark]) -> Mark | None:
    """The mark that a beginning is within, as far as a person's marks are exact."""
    place = bisect_right(marks, at_s, key=lambda mark: mark.start_s)
    nearby = marks[max(0, place - 1) : place + 1]
    return next((m for m in nearby if m.start_s - SLACK_S <= at_s <= m.end_s + SLACK_S), None)
