"""When frames are due from sources that do not wait for a sensor."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edged.errors import CameraError

LATE_S = 0.25
"""How late a recording may be before its schedule moves instead of catching up."""

TOLD_S = 10.0
"""A longer gap in a recording is logged, or it would look like a hang."""

LOOK_S = 0.1
"""The longest wait of a source for its device; it then sleeps 0 s, which raises if it is
closing."""

log = logging.getLogger(__name__)


def sleep_until(closing: threading.Event) -> Callable[[float], None]:
    """A function that sleeps some seconds, and raises CameraError when `closing` is set."""

    def sleep(for_s: float) -> None:
        if closing.wait(for_s):
            raise CameraError("the camera is closed")

    return sleep


class Pace:
    """Frame times ``start, start + 1/fps, start + 2/fps, ...``, without drift.

    The schedule starts with the first `wait`. A late caller gets the time that is due now, and the
    times in between are skipped: a frame rate that cannot be kept causes no backlog.
    """

    def __init__(
        self,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.started_s: float | None = None
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._number = 0

    def wait(self) -> float:
        """Sleep until the next frame is due and return its time, in ``time.monotonic()`` s."""
        now_s = self._clock()
        if self.started_s is None:
            self.started_s = now_s
            return now_s
        due_now = int((now_s - self.started_s) * self._fps + 1e-6)
        self._number = max(self._number + 1, due_now)
        due_s = self.started_s + self._number / self._fps
        if due_s > now_s:
            self._sleep(due_s - now_s)
        return due_s


class Schedule:
    """When the frames of a recording are due, by their presentation time stamps.

    The first frame is due when it is requested. A time stamp that goes back (the next round, or
    damage) or jumps by more than `longest_s` is due one frame after its predecessor; a shorter gap
    belongs to the recording and is kept.
    """

    def __init__(
        self,
        fps: float,
        longest_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.longest_s = longest_s
        self.due_s = 0.0
        self._least_s = 1.0 / fps
        self._interval_s: float | None = None
        self._clock = clock
        self._sleep = sleep
        self._shown_s: float | None = None
        self._next_s = 0.0

    def wait(self, shown_s: float) -> float | None:
        """Sleep until the frame at `shown_s` is due and return that time; None: skip it."""
        now_s = self._clock()
        is_gap = False
        if self._shown_s is None:
            self.due_s = self._next_s = now_s
        else:
            interval_s = shown_s - self._shown_s
            if not 0.0 < interval_s <= self.longest_s:
                interval_s = self._interval_s or self._least_s
            # A gap is not a frame interval: the next round must not begin with such a pause.
            self._interval_s = min(interval_s, 2.0 * (self._interval_s or interval_s))
            is_gap = interval_s > self._interval_s
            self.due_s += interval_s
        self._shown_s = shown_s
        if self.due_s < now_s - LATE_S:
            self.due_s = now_s
        # A tolerance of a millisecond: 1/30 s is not a whole number of time base units.
        if self.due_s < self._next_s - 1e-3:
            return None
        self._next_s = max(self._next_s, self.due_s - self._least_s) + self._least_s
        if self.due_s > now_s:
            if is_gap and self.due_s > now_s + TOLD_S:
                log.info("camera: no picture for %.0f s of the recording", self.due_s - now_s)
            self._sleep(self.due_s - now_s)
        return self.due_s
