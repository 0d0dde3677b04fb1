"""One who follows: what it is told and how often."""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest
from msgspec.structs import replace

from edged.commands import Watch
from edged.core import (
    CAMERA,
    CameraChanged,
    Ended,
    Event,
    OutputState,
    Prediction,
    Report,
    Result,
)
from edged.errors import CameraError
from edged.messages.events import EventMessage
from edged.messages.message import Message, Moment
from edged.ports.control.shared import Place, SharedReader
from edged.ports.control.watcher import PICTURES_BACKLOG, WATCH_BACKLOG, Watcher, described
from tests.ports.control.test_server import seen
from tests.ports.mqtt.reports import health

AT = Moment("porch", 0.0, 0.0)


def quiet(number: int, captured_s: float) -> Result:
    """A frame without events."""
    result = seen(number)
    frame = replace(result.frame, captured_s=captured_s)
    return replace(result, frame=frame, events=())


def handed(watcher: Watcher) -> list[Report | None]:
    reports = []
    while True:
        try:
            reports.append(watcher.wait(0.001))
        except queue.Empty:
            return reports


def told(watcher: Watcher, report: Report) -> dict[str, Message]:
    return {json.loads(m.json())["type"]: m for m in watcher.described(report, AT)}


@contextmanager
def looking(wanted: Watch) -> Iterator[tuple[Watcher, SharedReader]]:
    with closing(Watcher(wanted)) as watcher:
        (fd,) = watcher.descriptors
        with closing(SharedReader(os.dup(fd), wanted.side_px)) as reader:
            yield watcher, reader


@pytest.mark.parametrize(
    ("wanted", "room"),
    [
        (Watch(), WATCH_BACKLOG),
        (Watch(pictures="events", side_px=16), WATCH_BACKLOG),
        (Watch(pictures="all", side_px=16), PICTURES_BACKLOG),
    ],
)
def test_the_oldest_report_makes_room_for_the_newest(wanted: Watch, room: int) -> None:
    with closing(Watcher(wanted)) as watcher:
        for number in range(room + 3):
            watcher.offer(OutputState(f"{number}", 1.0, 0.0))
        names = [report.name for report in handed(watcher) if isinstance(report, OutputState)]
    assert names == [f"{number}" for number in range(3, room + 3)]


def test_frames_are_told_no_more_often_than_asked_for() -> None:
    with closing(Watcher(Watch(rate_hz=10.0))) as watcher:
        for number in range(31):
            watcher.offer(quiet(number, 100.0 + number / 30))
        numbers = [report.frame.number for report in handed(watcher) if isinstance(report, Result)]
    assert numbers == [0, *range(2, 31, 3)]


def test_a_frame_with_an_event_is_told_whatever_the_rate() -> None:
    with closing(Watcher(Watch(rate_hz=0.001))) as watcher:
        watcher.offer(quiet(1, 100.0))
        watcher.offer(replace(quiet(2, 100.1), events=seen().events))
        watcher.offer(quiet(3, 100.2))
        numbers = [report.frame.number for report in handed(watcher) if isinstance(report, Result)]
    assert numbers == [1, 2]


def test_as_many_classes_as_are_asked_for_are_told() -> None:
    scores = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
    result = replace(seen(), prediction=Prediction(scores, ("a", "b", "c", "d"), {}, "m"))
    _, three = described(result, AT)
    assert [ranked.label for ranked in three.results] == ["a", "b", "c"]  # type: ignore[attr-defined]
    with closing(Watcher(Watch(top=1))) as watcher:
        one = told(watcher, result)["classification"]
    assert [ranked.label for ranked in one.results] == ["a"]  # type: ignore[attr-defined]


def test_the_rules_are_told_where_they_are_asked_for() -> None:
    with closing(Watcher(Watch(rules=True))) as watcher:
        assert told(watcher, quiet(1, 1.0))["state"].rules["cat"].score == 0.75  # type: ignore[attr-defined]
    with closing(Watcher(Watch())) as watcher:
        assert "state" not in told(watcher, quiet(1, 1.0))


def test_the_health_of_the_daemon_is_told() -> None:
    (message,) = described(health(), AT)
    assert json.loads(message.json())["type"] == "health"


def test_rules_that_end_and_faults_of_the_camera_are_told() -> None:
    ended = Event("cat", False, 0.0, 1.0, 1.0, 0, 7, reason="camera")
    fault = Event(CAMERA, True, 1.0, 1.0, 2.0, 0, 8, cause="camera lost")
    told = [
        message
        for report in (Ended("camera", "unplugged", (ended,)), CameraChanged((fault,)))
        for message in described(report, AT)
    ]
    assert [(m.number, m.reason, m.cause) for m in told if isinstance(m, EventMessage)] == [
        (7, "camera", None),
        (8, None, "camera lost"),
    ]


def test_the_whole_picture_is_in_the_shared_memory() -> None:
    bright = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    result = quiet(7, 1.0)
    result = replace(result, frame=replace(result.frame, full=lambda: bright))
    with looking(Watch(pictures="all", side_px=80)) as (watcher, reader):
        message = told(watcher, result)["shared"]
        place = (message.sequence, message.height_px, message.width_px)  # type: ignore[attr-defined]
        picture = reader.get(Place(*place))
    assert picture is not None
    assert np.array_equal(picture, bright)


def test_who_looks_at_events_alone_has_no_other_pictures() -> None:
    with looking(Watch(pictures="events", side_px=64)) as (watcher, _):
        assert "shared" in told(watcher, seen())
        assert "shared" not in told(watcher, quiet(1, 1.0))


def test_a_damaged_frame_has_no_picture_and_ends_nothing() -> None:
    def damaged() -> np.ndarray:
        raise CameraError("still: damaged")

    result = quiet(1, 1.0)
    result = replace(result, frame=replace(result.frame, full=damaged))
    with looking(Watch(pictures="all", side_px=64)) as (watcher, _):
        assert told(watcher, result).keys() == {"classification"}


def test_the_end_is_handed_over_too() -> None:
    with closing(Watcher(Watch(rate_hz=1.0))) as watcher:
        watcher.offer(None)
        assert handed(watcher) == [None]


def test_frames_after_a_pause_are_not_told_in_a_burst() -> None:
    with closing(Watcher(Watch(rate_hz=10.0))) as watcher:
        watcher.offer(quiet(1, 100.0))
        for number, captured_s in enumerate((200.0, 200.01, 200.02), 2):
            watcher.offer(quiet(number, captured_s))
        numbers = [report.frame.number for report in handed(watcher) if isinstance(report, Result)]
    assert numbers == [1, 2]
