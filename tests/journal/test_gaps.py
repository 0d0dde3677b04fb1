"""Where numbers are missing stands a gap that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.journal.gaps import Losses, gap, with_gaps
from edged.messages.message import Moment
from tests.journal.made import entries

AT = Moment("porch", 1.0, 0.0)


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [(1, 2, "damaged"), (1, 5, "full"), (4, 5, "full"), (6, 6, "crash"), (6, 9, "damaged")],
)
def test_the_reason_is_what_is_known_of_these_numbers(first: int, last: int, reason: str) -> None:
    losses = Losses(full_up_to=4, replaced_up_to=2, damaged=[8])
    assert losses.reason(first, last) == reason


def spans(after: int, end: int, *numbers: int) -> Any:
    page = with_gaps(entries(*numbers), after, end, Losses(0, 0), AT)
    before = [after, *(entry.number for entry in page.entries)]
    assert [entry.before for entry in page.entries] == before[:-1]
    return [
        (json.loads(entry.payload)["first"], entry.number)
        if entry.first is not None
        else entry.number
        for entry in page.entries
    ], page.up_to


def test_gaps_stand_before_between_and_behind() -> None:
    assert spans(0, 9, 3, 4, 7) == ([(1, 2), 3, 4, (5, 6), 7, (8, 9)], 9)


def test_nothing_new_is_nothing() -> None:
    assert spans(5, 5) == ([], 5)


@pytest.mark.parametrize("synced", [True, False])
def test_a_gap_says_whether_its_time_is_known(synced: bool) -> None:
    told = json.loads(gap(1, 2, "full", Moment("porch", 1.0, 0.0, synced)))
    assert told["time_synced"] is synced
