"""A steady schedule for sources that make their frames themselves."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Frame times ``start, start + 1/fps, start + 2/fps, ...``, without drift.

    The schedule starts with the first `wait`. Whoever comes late gets the time that is due now,
    and the times in between are left out: a frame rate that cannot be kept makes no backlog.
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
