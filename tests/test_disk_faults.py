"""A disk does to the whole daemon what disks do; `make torture` does it for longer."""

from __future__ import annotations

import pytest

from tests.mosquitto import needs_mosquitto
from tests.torture import disk

pytestmark = needs_mosquitto("a daemon whose disk has faults")


@pytest.mark.timeout(300)
def test_commands_and_events_go_on_whatever_the_disk_does_and_no_torn_file_matters() -> None:
    assert not disk.run(0.1, seed=0, window_s=0.3).failures
