"""Faults of the camera become events once they have lasted, whatever kind they are."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edged.config.schema import CameraConfig
from edged.core import CAMERA, CameraChanged, Event, Fault, Report
from edged.outage import Outage

LOST_AFTER_S = 10.0


class Watched:
    """An outage and its camera, at times by hand."""

    def __init__(self, lost_after_s: float = LOST_AFTER_S, fps: float = 10.0) -> None:
        self.now_s = 100.0
        self.camera: Any = SimpleNamespace(fault=None, fails=False, error=None)
        config = CameraConfig(lost_after_s=lost_after_s, fps=fps)
        self.outage = Outage(config, lambda: self.now_s)
        self.told: list[Report] = []
        self.ended: list[str] = []
        self.number = 0

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        self.number += 1
        return tuple(msgspec.structs.replace(event, number=self.number) for event in events)

    def end_rules(self, reason: str, why: str) -> None:
        self.ended.append(reason)

    def turn(self, at_s: float, fault: Fault | None, *, frame_came: bool) -> None:
        self.now_s = at_s
        lost = fault == "camera lost"
        self.camera.fault, self.camera.fails, self.camera.error = fault, lost, fault
        self.watch(frame_came=frame_came)

    def watch(self, *, frame_came: bool) -> None:
        tell = self.told.append
        self.outage.watch(self.camera, self, self.end_rules, tell, frame_came=frame_came)

    @property
    def events(self) -> list[Event]:
        changes = [report for report in self.told if isinstance(report, CameraChanged)]
        return [event for change in changes for event in change.events]


@pytest.mark.parametrize("fault", ["frames damaged", "picture frozen", "frames odd"])
def test_a_fault_that_lasts_is_an_event_and_so_is_its_end(fault: Fault) -> None:
    watched = Watched()
    watched.turn(100.5, None, frame_came=True)
    for at_s in (101.0, 105.0, 110.9):
        watched.turn(at_s, fault, frame_came=True)
    assert watched.events == []
    watched.turn(111.0, fault, frame_came=True)
    watched.turn(111.5, fault, frame_came=True)
    begun = Event(CAMERA, True, 1.0, 101.0, 111.0, 0, 1, cause=fault)
    assert watched.events == [begun]
    assert watched.ended == []
    watched.turn(112.0, None, frame_came=True)
    watched.turn(113.0, None, frame_came=True)
    assert watched.events == [begun, Event(CAMERA, False, 0.0, 112.0, 112.0, 0, 2, cause=fault)]


def test_a_lost_camera_ends_the_rules_and_is_an_event_when_its_fault_has_lasted() -> None:
    watched = Watched()
    watched.turn(100.0, None, frame_came=True)
    # Its error comes only after its own time.
    watched.turn(105.0, None, frame_came=False)
    watched.turn(106.0, "camera lost", frame_came=False)
    assert (watched.ended, watched.events) == ([], [])
    watched.turn(110.0, "camera lost", frame_came=False)
    assert (watched.ended, watched.events) == (["camera"], [])
    watched.turn(116.0, "camera lost", frame_came=False)
    assert watched.ended == ["camera"]
    [event] = watched.events
    assert (event.active, event.onset_s, event.cause) == (True, 106.0, "camera lost")


def test_a_camera_that_never_came_is_an_event() -> None:
    watched = Watched()
    for at_s in (100.0, 109.0):
        watched.turn(at_s, "camera lost", frame_came=False)
    assert watched.events == []
    watched.turn(110.0, "camera lost", frame_came=False)
    assert [event.active for event in watched.events] == [True]


@pytest.mark.parametrize(
    ("lost_after_s", "fps", "between_s"), [(10.0, 10.0, 4.0), (0.0, 5.0, 0.2), (2.0, 0.25, 4.0)]
)
def test_short_faults_are_none_however_slow_the_camera_is(
    lost_after_s: float, fps: float, between_s: float
) -> None:
    watched = Watched(lost_after_s, fps)
    for number in range(40):
        fault: Fault | None = "frames damaged" if number % 2 else None
        watched.turn(100.0 + number * between_s, fault, frame_came=True)
        watched.turn(100.0 + (number + 0.9) * between_s, fault, frame_came=False)
    assert watched.events == []


def test_a_fault_that_becomes_another_for_good_is_another_event() -> None:
    watched = Watched()
    watched.turn(100.0, "picture frozen", frame_came=True)
    watched.turn(110.0, "picture frozen", frame_came=True)
    for at_s in range(111, 120):
        fault: Fault = "camera lost" if at_s % 2 else "picture frozen"
        watched.turn(float(at_s), fault, frame_came=False)
    assert [(event.active, event.cause) for event in watched.events] == [(True, "picture frozen")]
    for at_s in (120.0, 130.0):
        watched.turn(at_s, "camera lost", frame_came=False)
    watched.turn(131.0, None, frame_came=True)
    assert [(event.active, event.cause) for event in watched.events] == [
        (True, "picture frozen"),
        (False, "picture frozen"),
        (True, "camera lost"),
        (False, "camera lost"),
    ]


def test_a_recording_that_ends_is_not_well_again() -> None:
    watched = Watched()
    watched.turn(100.0, "frames damaged", frame_came=True)
    watched.turn(110.0, "frames damaged", frame_came=True)
    watched.camera.fault, watched.camera.fails, watched.camera.error = None, True, "ended"
    watched.now_s = 111.0
    watched.watch(frame_came=False)
    assert [(event.active, event.reason) for event in watched.events] == [
        (True, None),
        (False, "camera"),
    ]


def test_a_stop_ends_the_event_with_its_reason_and_only_one_that_was_told() -> None:
    watched = Watched()
    watched.outage.end("stop", watched, watched.told.append)
    assert watched.told == []
    watched.turn(110.0, "picture frozen", frame_came=True)
    watched.turn(120.0, "picture frozen", frame_came=True)
    watched.outage.end("stop", watched, watched.told.append)
    watched.outage.end("stop", watched, watched.told.append)
    assert [(event.active, event.reason) for event in watched.events] == [
        (True, None),
        (False, "stop"),
    ]
