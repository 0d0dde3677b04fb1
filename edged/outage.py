"""Detects when the camera has failed for so long that rules end, and tells of its faults."""

from __future__ import annotations

import time
from collections.abc import Callable

from edged.core import CAMERA, Camera, CameraChanged, CameraThere, Event, Fault, Reason, Report
from edged.journal import Recorder


def no_picture(error: str | None) -> str:
    """The reason for requests that wait for a picture."""
    return f"the camera delivers no picture: {error}"


class Outage:
    """Used only by the loop's thread. ``lost`` says whether there is an outage."""

    def __init__(self, lost_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = False
        self._lost_after_s = lost_after_s
        self._clock = clock
        self._last_frame_s = self._well_s = clock()
        self._there = False
        self._fault: Fault | None = None

    def watch(
        self,
        camera: Camera,
        journal: Recorder,
        end_rules: Callable[[Reason, str], None],
        tell: Callable[[Report], None],
        *,
        frame_came: bool,
    ) -> None:
        """End the rules once when no frame has arrived for `lost_after_s` and the `camera` fails.

        A slow camera is not an outage. `CameraThere` is reported with the first frame, and with the
        first after an outage; `CameraChanged` for a fault of any kind that has lasted as long, and
        for its end.
        """
        now_s = self._clock()
        if frame_came:
            self._last_frame_s, self.lost = now_s, False
            if not self._there:
                self._there = True
                tell(CameraThere())
        elif camera.fails and not self.lost:
            self.lost = now_s >= self._last_frame_s + self._lost_after_s
            if self.lost:
                self._there = False
                end_rules("camera", no_picture(camera.error))
        fault = camera.fault
        if fault is None:
            self._well_s = now_s
            self.end(None, journal, tell)
        elif self._fault is None:
            since_s = min(self._well_s, self._last_frame_s) if camera.fails else self._well_s
            if now_s >= since_s + self._lost_after_s:
                self._fault = fault
                event = Event(CAMERA, True, 1.0, since_s, now_s, 0, cause=fault)
                tell(CameraChanged(journal.record((event,))))

    def end(self, reason: Reason | None, journal: Recorder, tell: Callable[[Report], None]) -> None:
        """The fault that was reported, if any, is over, or nobody looks any more."""
        if self._fault is not None:
            fault, self._fault, now_s = self._fault, None, self._clock()
            event = Event(CAMERA, False, 0.0, now_s, now_s, 0, reason=reason, cause=fault)
            tell(CameraChanged(journal.record((event,))))
