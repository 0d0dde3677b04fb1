"""A daemon whose wall clock is wrong, and set while it runs: what it decides, and its dates.

The truth is what the daemon notes of each event by the monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.audience import Audience, made_broker
from tests.mosquitto import wait_until
from tests.observed import PATIENCE_S, Made, Observed

DAY_S = 86_400.0

RIGHT_S = 0.5
"""A date that is nearer to the truth than this is right: a leap second is twice as much."""

MQTT = """\
host = "127.0.0.1"
port = {port}
health_s = 0.2
"""


class Turn(NamedTuple):
    """The clock at the start, and what it is set to later: seconds beside the truth, and synced."""

    first: tuple[float, bool]
    then: tuple[float, bool]
    put_right: bool
    """Whether the dates of the events before are right afterwards."""


def turns() -> Mapping[str, Turn]:
    """In these ways; 1970 is so far from now."""
    to_1970_s = 60.0 - time.time()
    return {
        "right all the time": Turn((0.0, True), (0.0, True), put_right=True),
        "1970 at boot, then set": Turn((to_1970_s, False), (0.0, True), put_right=True),
        "a day late, then set": Turn((-DAY_S, False), (0.0, True), put_right=True),
        "a day early, then set": Turn((DAY_S, False), (0.0, True), put_right=True),
        "a day late though synced": Turn((-DAY_S, True), (0.0, True), put_right=False),
        "a day early though synced": Turn((DAY_S, True), (0.0, True), put_right=False),
        "a leap second": Turn((1.0, True), (0.0, True), put_right=False),
    }


def check(folder: Path, turn: Turn, count: int = 6) -> None:
    """So many events before the clock is set, and after it. AssertionError for what is wrong."""
    broker = made_broker(folder)
    daemon = Observed(folder, MQTT.format(port=broker.port), each=10)
    with Audience(daemon, broker) as audience:
        daemon.turn_clock(turn.first[0], synced=turn.first[1])
        daemon.start()
        try:
            wait_until(lambda: len(daemon.made()) >= count, PATIENCE_S)
            wait_until(lambda: len(audience.known()) >= count, PATIENCE_S)
            before = len(daemon.made())
            daemon.turn_clock(turn.then[0], synced=turn.then[1])
            set_s = time.monotonic()
            wait_until(lambda: len(daemon.made()) >= before + count, PATIENCE_S)
            audience.is_right()
            heard_up_to = max(audience.known())
            _retained(audience, daemon)
        finally:
            daemon.running.stop()
        made = {event.number: event for event in daemon.made()}
        heard = {number: event for number, event in audience.known().items() if number in made}
        stored = {
            event["number"]: event
            for event in daemon.events()
            if event["type"] == "event" and event["number"] in made
        }
    # The same events as by a right clock: the rule changes with each change of the picture.
    active = [event.active for event in made.values()]
    assert active == [number % 2 == 0 for number in range(len(active))], active
    assert stored.keys() == made.keys(), "not every event is in the journal"
    for number, event in made.items():
        early = event.recorded_s < set_s
        if number <= heard_up_to:
            _dated(heard[number], event, turn.first if early else turn.then)
        before = (0.0, True) if turn.put_right else turn.first
        _dated(stored[number], event, before if early else turn.then)


def _retained(audience: Audience, daemon: Observed) -> None:
    """The retained state has the right date by now."""

    def is_right() -> bool:
        state = audience.subscriber.newest("state")
        return bool(state["time_synced"] and abs(_s(state["time"]) - time.time()) < 30.0)

    wait_until(is_right, PATIENCE_S)


def _dated(told: dict[str, Any], made: Made, clock: tuple[float, bool]) -> None:
    by_s, synced = clock
    offset_s = time.time() - time.monotonic() + by_s
    for name, truth_s in (("onset", made.onset_s), ("decided", made.decided_s)):
        wrong_s = _s(told[name]) - (truth_s + offset_s)
        assert abs(wrong_s) < RIGHT_S, f"{name} of {made.number} is wrong by {wrong_s:.1f} s"
    lasted_s = _s(told["decided"]) - _s(told["onset"])
    # What a date of microseconds can tell.
    assert abs(lasted_s - (made.decided_s - made.onset_s)) < 1e-4
    assert told["time_synced"] is synced, f"time_synced of {made.number}"


def _s(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
