"""When the camera has been away for so long that nothing is known any more."""

from __future__ import annotations

import time
from collections.abc import Callable


class Outage:
    """The loop's thread only."""

    def __init__(self, lost_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lost_after_s = lost_after_s
        self._clock = clock
        self._last_frame_s = clock()
        self._lost = False

    def begins(self, error: str | None, *, frame_came: bool) -> bool:
        """True once, when no frame has come for `lost_after_s` and the camera tells an `error`.

        A camera that is slow, and not in trouble, is not lost.
        """
        if frame_came:
            self._last_frame_s = self._clock()
            self._lost = False
        if error is None or self._lost:
            return False
        self._lost = self._clock() >= self._last_frame_s + self._lost_after_s
        return self._lost
