"""Detects when the camera has failed for so long that rules end, and tells of its faults."""

from __future__ import annotations

import time
from collections.abc import Callable

from edged.config.schema import CameraConfig
from edged.core import CAMERA, Camera, CameraChanged, CameraThere, Event, Fault, Reason, Report
from edged.journal import Recorder

LEAST_FRAMES = 2.0
"""A fault of fewer frames in a row is none that lasts, however slow the camera is."""

LEAST_S = 1.0
"""Nor is a shorter one: a camera that comes and goes must not fill the journal."""


def no_picture(error: str | None) -> str:
    """The reason for requests that wait for a picture."""
    return f"the camera delivers no picture: {error}"


class Outage:
    """Used only by the loop's thread.

    ``lost`` says whether there is an outage, ``fault`` what was told to be wrong with the camera.
    """

    def __init__(self, camera: CameraConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = False
        self.fault: Fault | None = None
        self._lost_after_s = camera.lost_after_s
        self._fault_after_s = max(camera.lost_after_s, LEAST_FRAMES / camera.fps, LEAST_S)
        self._clock = clock
        self._last_frame_s = self._since_s = clock()
        self._there = False
        # What seems to be wrong, since ``_since_s``.
        self._seeming: Fault | None = None

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
        first after an outage; `CameraChanged` for a fault of any kind that has lasted, and for its
        end.
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
        if camera.fault != self._seeming:
            self._seeming, self._since_s = camera.fault, now_s
        if self._seeming is None:
            # A recording that has ended is neither well nor at fault.
            self.end("camera" if camera.fails else None, journal, tell)
        elif self._seeming != self.fault and now_s >= self._since_s + self._fault_after_s:
            self.end(None, journal, tell)
            self.fault = self._seeming
            event = Event(CAMERA, True, 1.0, self._since_s, now_s, 0, cause=self.fault)
            tell(CameraChanged(journal.record((event,))))

    def end(self, reason: Reason | None, journal: Recorder, tell: Callable[[Report], None]) -> None:
        """The fault that was told, if any, is over, or another, or nobody looks any more."""
        if self.fault is not None:
            fault, self.fault, now_s = self.fault, None, self._clock()
            event = Event(CAMERA, False, 0.0, now_s, now_s, 0, reason=reason, cause=fault)
            tell(CameraChanged(journal.record((event,))))
