"""Whoever asks for a picture gets one whose exposure began after the request.

`make torture` asks a thousand times and more.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.mosquitto import Broker, broker, brokers
from tests.triggers import FPS, WAYS, Way, asked

__all__ = ["broker", "brokers"]


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_was_exposed_after_it_was_asked_for(
    way: Way, tmp_path: Path, broker: Broker
) -> None:
    chance = random.Random(way)  # noqa: S311 (no secret)
    with asked(tmp_path, broker.port, seed=len(way)) as daemon:
        for _ in range(50):
            time.sleep(chance.uniform(0.0, 4.0) / FPS)
            assert daemon.ask(way).is_fresh
