"""Whether frames are classified."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edged.attention import Attention
from edged.commands import Pause, Request, Resume, Wake
from edged.core import Result
from tests.clocks import StandingClock
from tests.ports.mqtt.reports import event, result


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def test_without_an_idle_time_it_is_always_awake(clock: StandingClock) -> None:
    for attention in (Attention(0.0, clock), Attention(clock=clock)):
        clock.now_s += 1e9
        assert attention.awake
        assert not attention.idle


def test_it_idles_when_no_wake_has_come_for_so_long_and_a_wake_ends_that(
    clock: StandingClock,
) -> None:
    attention = Attention(2.0, clock)
    clock.now_s = 1.9
    assert attention.awake
    clock.now_s = 2.0
    assert (attention.awake, attention.idle) == (False, True)
    answer = attention.wake(Request(Wake()))
    assert (answer.idle, attention.awake) == (False, True)


@pytest.mark.parametrize(
    ("seen", "awake"),
    [
        (result(active=True), True),
        (result(active=False, events=(event(active=False),)), True),
        (result(active=False), False),
        (result(active=False, events=(replace(event(), cause="night"),)), False),
    ],
)
def test_what_happens_keeps_it_awake(clock: StandingClock, seen: Result, awake: bool) -> None:
    attention = Attention(2.0, clock)
    clock.now_s = 1.5
    attention.keep_awake(seen)
    clock.now_s = 3.0
    assert attention.awake is awake


def test_it_stays_awake_while_a_rule_holds_though_no_frame_comes(clock: StandingClock) -> None:
    attention = Attention(2.0, clock)
    attention.keep_awake(result(active=True))
    clock.now_s = 100.0
    assert attention.awake
    attention.keep_awake(result(active=False, events=(event(active=False),)))
    clock.now_s = 101.9
    assert attention.awake
    clock.now_s = 102.0
    assert attention.idle


def test_it_stays_awake_when_an_idle_time_is_set_while_a_rule_holds(clock: StandingClock) -> None:
    attention = Attention(0.0, clock)
    clock.now_s = 100.0
    attention.keep_awake(result(active=True))
    clock.now_s = 200.0
    attention.wake_s = 2.0
    assert attention.awake


def test_a_changed_idle_time_counts_from_the_last_wake(clock: StandingClock) -> None:
    attention = Attention(2.0, clock)
    clock.now_s = 3.0
    attention.wake_s = 5.0
    assert attention.awake
    clock.now_s = 5.0
    assert attention.idle


def test_a_pause_lasts_until_the_resume_which_wakes_too(clock: StandingClock) -> None:
    attention = Attention(2.0, clock)
    request: Request[Any] = Request(Pause())
    assert attention.pause(request).paused
    assert not attention.awake
    clock.now_s = 10.0
    answer = attention.resume(Request(Resume()))
    assert (answer.paused, answer.idle) == (False, False)
    assert attention.awake


def test_who_paused_and_resumed_is_in_the_log_once(
    clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    attention = Attention(0.0, clock)
    for asker in ("input door", "somebody later"):
        attention.pause(Request(Pause(), asker))
    for asker in ("MQTT", "somebody later"):
        attention.resume(Request(Resume(), asker))
    assert caplog.messages == ["paused by input door", "resumed by MQTT"]


def test_who_woke_it_is_in_the_log(clock: StandingClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    attention = Attention(2.0, clock)
    attention.wake(Request(Wake(), "nobody needed it"))
    clock.now_s = 2.0
    attention.wake(Request(Wake(), "input door"))
    assert caplog.messages == ["woken by input door"]


def test_a_motion_sensor_that_stays_high_is_in_the_log_as_who_woke_it(
    clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    moves = False
    attention = Attention(2.0, clock, sensed=lambda: moves)
    for looked_before_it_asks in (False, True):
        clock.now_s += 2.0
        moves = False
        assert attention.idle
        moves = True
        if looked_before_it_asks:
            assert attention.awake
        for _ in range(2):
            attention.wake(Request(Wake(), "input hall"))
        moves = False
    assert caplog.messages == ["woken by input hall"] * 2


def test_what_happens_before_it_may_idle_counts_when_it_may(clock: StandingClock) -> None:
    attention = Attention(0.0, clock)
    clock.now_s = 10.0
    attention.keep_awake(result(active=True))
    attention.wake_s = 2.0
    clock.now_s = 11.0
    assert attention.awake


def test_it_is_awake_while_something_moves_and_for_its_time_after(clock: StandingClock) -> None:
    moves = True
    attention = Attention(2.0, clock, sensed=lambda: moves)
    clock.now_s = 100.0
    assert attention.awake
    moves = False
    clock.now_s = 101.9
    assert attention.awake
    clock.now_s = 102.0
    assert attention.idle
    moves = True
    assert attention.awake
