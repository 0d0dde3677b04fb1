"""A motion sensor that wakes: the daemon is awake for as long as it is high, and idles after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edged.attention import Attention
from tests.clocks import StandingClock
from tests.guard.direct import started_in_threads
from tests.mosquitto import wait_until
from tests.ports.gpio.fake_gpiod import FakeChip, FakeLine, install
from tests.test_daemon_in_process import Living, as_it_was

__all__ = ["as_it_was"]

SENSOR = """
[idle]
after_s = 60.0

[gpio]
factory = "gpiod"

[[input]]
name = "hall"
pin = "PIR"
device = "motion"
pull = "none"
active_high = true
action = "wake"
"""
HOUR_S = 3600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    clock = StandingClock()
    monkeypatch.setattr("edged.daemon.Attention", partial(Attention, clock=clock))
    return clock


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., FakeLine]:
    """Make a chip with the sensor's line the machine's only one."""
    started_in_threads(monkeypatch)
    folder = tmp_path / "dev"
    folder.mkdir()

    def plug(level: int) -> FakeLine:
        chip = FakeChip("pinctrl-test", [FakeLine("PIR", level)])
        install(monkeypatch, folder, gpiochip0=chip)
        return chip["PIR"]

    return plug


@pytest.fixture
def living(tmp_path: Path, clock: StandingClock) -> Iterator[Living]:
    # Nothing holds on this picture, which would keep it awake too.
    living = Living(tmp_path, "rocket.jpg")
    living.add(SENSOR)
    yield living
    living.stop()


def senses(living: Living) -> bool:
    assert living.daemon is not None
    return living.daemon._ports.gpio.sensed()


def idle(living: Living) -> bool:
    idle: bool = living.status()["idle"]
    return idle


def test_it_is_awake_for_hours_of_motion_and_idles_after(
    living: Living, clock: StandingClock, plugged: Callable[..., FakeLine]
) -> None:
    pin = plugged(0)
    living.start()
    clock.now_s += 60.0
    assert idle(living)
    pin.put(1)
    wait_until(lambda: not idle(living))
    for _ in range(5):
        clock.now_s += HOUR_S
        assert not idle(living)
    living.frames_more()
    pin.put(0)
    # The pin's own thread hears of the edge, and nothing tells when it has.
    wait_until(lambda: not senses(living))
    clock.now_s += 59.0
    assert not idle(living)
    clock.now_s += 1.0
    assert idle(living)


def test_a_bounce_wakes_for_as_long_as_any_other_motion(
    living: Living, clock: StandingClock, plugged: Callable[..., FakeLine]
) -> None:
    pin = plugged(0)
    living.start()
    clock.now_s += HOUR_S
    assert idle(living)
    for level in (1, 0, 1, 0, 1, 0):
        pin.put(level)
    wait_until(lambda: not idle(living))
    wait_until(lambda: not senses(living))
    clock.now_s += 60.0
    assert idle(living)


def test_motion_at_the_start_keeps_it_awake_without_an_edge(
    living: Living, clock: StandingClock, plugged: Callable[..., FakeLine]
) -> None:
    pin = plugged(1)
    living.start()
    clock.now_s += HOUR_S
    assert not idle(living)
    pin.put(0)
    wait_until(lambda: not senses(living))
    clock.now_s += HOUR_S
    assert idle(living)


def test_a_chip_that_comes_while_something_moves_wakes_it(
    living: Living,
    clock: StandingClock,
    plugged: Callable[..., FakeLine],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    install(monkeypatch, tmp_path / "dev")
    living.start()
    assert "no GPIO chip" in living.status()["pins_error"]
    clock.now_s += HOUR_S
    assert idle(living)
    pin = plugged(1)
    wait_until(lambda: not idle(living))
    clock.now_s += HOUR_S
    assert not idle(living)
    pin.put(0)
    wait_until(lambda: not senses(living))
    clock.now_s += HOUR_S
    assert idle(living)


def test_a_chip_that_goes_while_something_moves_lets_it_idle(
    living: Living, clock: StandingClock, plugged: Callable[..., FakeLine]
) -> None:
    pin = plugged(1)
    living.start()
    clock.now_s += HOUR_S
    assert not idle(living)
    # No edge tells of it, and the chip comes again soon.
    pin.level = 0
    assert pin.request is not None
    pin.request.lose()
    wait_until(lambda: not senses(living))
    clock.now_s += HOUR_S
    assert idle(living)
