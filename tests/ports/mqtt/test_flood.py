from __future__ import annotations

import pytest

from edged.ports.mqtt.flood import BURST, RATE_HZ, Brake


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def sleep(self, for_s: float) -> None:
        # As `time.sleep`, which refuses less than nothing.
        assert for_s >= 0
        self.now_s += for_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def brake(time: Time) -> Brake:
    return Brake(lambda: time.now_s, time.sleep)


def test_a_few_messages_do_not_wait(brake: Brake, time: Time) -> None:
    for _ in range(BURST):
        brake.take()
    assert time.now_s == 100.0


def test_a_flood_is_read_at_a_steady_rate(brake: Brake, time: Time) -> None:
    for _ in range(BURST + 800):
        brake.take()
    assert time.now_s - 100.0 == pytest.approx(800 / RATE_HZ, rel=0.01)


def test_part_of_a_token_is_no_reason_to_wait(brake: Brake, time: Time) -> None:
    for _ in range(BURST):
        brake.take()
    time.now_s += 1.5 / RATE_HZ
    before_s = time.now_s
    brake.take()
    assert time.now_s == before_s


def test_after_a_quiet_time_a_few_do_not_wait_again(brake: Brake, time: Time) -> None:
    for _ in range(BURST + 800):
        brake.take()
    time.now_s += 3600.0
    before_s = time.now_s
    for _ in range(BURST):
        brake.take()
    assert time.now_s == before_s
    brake.take()
    assert time.now_s > before_s
