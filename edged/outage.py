"""Detects when the camera has failed for so long that the rules must end, and when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

from edged.core import Camera, CameraThere, Reason, Report


def no_picture(error: str | None) -> str:
    """The reason for requests that wait for a picture."""
    return f"the camera delivers no picture: {error}"


class Outage:
    """Used only by the loop's thread. ``lost`` says whether there is an outage."""

    def __init__(self, lost_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lost = False
        self._lost_after_s = lost_after_s
        self._clock = clock
        self._last_frame_s = clock()
        self._there = False

    def watch(
        self,
        camera: Camera,
        end_rules: Callable[[Reason, str], None],
        tell: Callable[[Report], None],
        *,
        frame_came: bool,
    ) -> None:
        """End the rules once when no frame has arrived for `lost_after_s` and the `camera` fails.

        A slow camera is not an outage. `CameraThere` is reported with the first frame, and with the
        first after an outage.
        """
        if frame_came:
            self._last_frame_s, self.lost = self._clock(), False
            if not self._there:
                self._there = True
                tell(CameraThere())
        elif camera.fails and not self.lost:
            self.lost = self._clock() >= self._last_frame_s + self._lost_after_s
            if self.lost:
                self._there = False
                end_rules("camera", no_picture(camera.error))
