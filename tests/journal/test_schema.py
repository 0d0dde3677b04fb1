"""What the database may hold."""

from __future__ import annotations

import pytest

from edged.journal.numbers import HIGHEST
from edged.journal.schema import sound_number


@pytest.mark.parametrize("number", [0, 1, HIGHEST])
def test_a_number_that_an_event_can_have_is_a_cursor(number: int) -> None:
    assert sound_number(number) == number


@pytest.mark.parametrize("value", [-1, HIGHEST + 1, None, b"7", 1.0])
def test_anything_else_is_none(value: object) -> None:
    assert sound_number(value) is None
