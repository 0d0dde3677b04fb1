"""Each event is a line for people."""

from __future__ import annotations

import logging

import pytest

from edged.core import CAMERA, CameraChanged, Ended, Event
from edged.ports.log import LogPort


def test_an_event_is_a_line_with_its_reason_or_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with LogPort() as port:
        port.write(Ended("camera", "unplugged", (Event("cat", False, 0.0, 1.0, 1.0, 0),)))
        port.write(CameraChanged((Event(CAMERA, True, 1.0, 1.0, 2.0, 0, cause="camera lost"),)))
        port.write(CameraChanged((Event(CAMERA, False, 0.0, 3.0, 3.0, 0, cause="camera lost"),)))
        stopped = Event(CAMERA, False, 0.0, 3.0, 3.0, 0, reason="stop", cause="camera lost")
        port.write(CameraChanged((stopped,)))
    assert [record.getMessage() for record in caplog.records] == [
        "cat off: unplugged",
        "camera on: camera lost",
        "camera off: camera lost",
        "camera off: edged stops",
    ]
