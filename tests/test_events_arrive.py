"""Events outlive kills, power cuts and torn writes; `make torture` tries a thousand times."""

from __future__ import annotations

import pytest

from tests.mosquitto import needs_mosquitto
from tests.torture import events

pytestmark = needs_mosquitto("a daemon that is killed while its broker goes and comes")


@pytest.mark.timeout(300)
def test_no_number_is_lost_untold_and_none_is_two_events() -> None:
    assert not events.run(1.0, seed=0).failures
