"""What is written to an SD card stays within the budget of docs/reliability.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mosquitto import needs_mosquitto
from tests.power import available
from tests.sd_card import EVENTS_A_DAY, measured

RELIABILITY = Path(__file__).parent.parent / "docs" / "reliability.md"

pytestmark = needs_mosquitto("what is written while events are delivered")


def test_a_day_of_events_stays_within_the_budget(tmp_path: Path) -> None:
    if not available(tmp_path / "probe"):
        pytest.skip("needs root, a loop device and ext4")
    found = re.search(r"edged writes at most (\d+) MB a day", RELIABILITY.read_text())
    assert found is not None
    written = measured(tmp_path, events=5, idle_s=0.1)
    # Seconds without an event say too little of a day; `python -m tests.sd_card` takes minutes.
    assert 0.0 < EVENTS_A_DAY * written.event / 1e6 <= float(found[1])
