"""A network does to the whole daemon what networks do; `make torture` does it for longer."""

from __future__ import annotations

import pytest

from tests.mosquitto import needs_mosquitto
from tests.pki import available
from tests.torture import network

pytestmark = [
    needs_mosquitto("a broker behind a network with faults"),
    pytest.mark.skipif(not available(), reason="openssl is not installed"),
]


def test_after_each_fault_commands_are_right_and_every_event_has_come() -> None:
    part = network.run(0.1, seed=0, window_s=0.3)
    assert not part.failures
    assert all(len(row.took_ms) > 1 for row in part.rows), "the loop stalled"
