"""The wall clock of the whole daemon is wrong, and set; `make torture` does it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mosquitto import needs_mosquitto
from tests.turned_clocks import check, turns

pytestmark = needs_mosquitto("a daemon whose clock is turned")


@pytest.mark.parametrize("way", list(turns()))
def test_events_and_their_durations_are_the_same_and_their_dates_are_put_right(
    way: str, tmp_path: Path
) -> None:
    check(tmp_path, turns()[way], count=3)
