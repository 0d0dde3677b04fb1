"""Which events are right, and which are false alarms."""

from __future__ import annotations

import pytest

from edged.core import Event
from edged.tuning.marks import Mark
from edged.tuning.outcome import DAY_S, Outcome, judge, together

MARKS = [Mark(10.0, 20.0), Mark(40.0, 50.0), Mark(70.0, 71.0)]


def events(*begins_s: float) -> list[Event]:
    """Each with an end after a second."""
    return [
        Event("0", active, 0.5, at_s, at_s + (not active), 0)
        for at_s in begins_s
        for active in (True, False)
    ]


def test_the_first_event_within_a_mark_is_right_and_every_other_is_wrong() -> None:
    found = judge(events(5.0, 12.0, 15.0, 41.5, 60.0), MARKS, 0.0, 100.0)
    assert (found.marks, found.hits, found.misses) == (3, 2, 1)
    assert (found.false_alarms, found.repeats) == (3, 1)
    assert found.delays_s == (2.0, 1.5)
    assert found.recall == pytest.approx(2 / 3)


def test_a_persons_marks_may_be_off_by_a_second() -> None:
    found = judge(events(9.2, 50.9, 72.1), MARKS, 0.0, 100.0)
    assert (found.hits, found.false_alarms) == (2, 1)
    assert found.delays_s == (0.0, pytest.approx(10.9))


def test_what_is_always_on_hits_nothing() -> None:
    found = judge([Event("0", True, 0.5, 0.0, 0.0, 0)], MARKS, 0.0, 100.0)
    assert (found.hits, found.false_alarms) == (0, 1)


def test_a_part_of_the_time_has_the_marks_that_begin_in_it_and_their_events() -> None:
    all_events = events(5.0, 12.0, 45.0, 60.0)
    first, second = (judge(all_events, MARKS, *part) for part in ((0.0, 43.0), (43.0, 100.0)))
    assert (first.marks, first.hits, first.false_alarms) == (2, 2, 1)
    assert (second.marks, second.hits, second.false_alarms) == (1, 0, 1)
    assert together([first, second]) == judge(all_events, MARKS, 0.0, 100.0)._replace(
        duration_s=100.0
    )


def test_rates_and_percentiles() -> None:
    found = Outcome(DAY_S / 2, 4, 3, 6, 0, (3.0, 1.0, 2.0))
    assert found.per_day == 12.0
    assert (found.delay_s(0.5), found.delay_s(0.9)) == (2.0, 3.0)
    nothing = Outcome(0.0, 0, 0, 0, 0, ())
    assert (nothing.per_day, nothing.recall, nothing.delay_s(0.5)) == (0.0, 1.0, None)
