"""A flood of messages is read slowly, because reading competes with the frame loop."""

from __future__ import annotations

import time
from collections.abc import Callable

RATE_HZ = 400.0
"""The most messages a second that are read for long. The others wait at the broker."""

BURST = 64
"""Messages that are read at once after a quiet time."""


class Brake:
    """A token bucket, for the network's thread."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(BURST)
        self._at_s = clock()

    def take(self) -> None:
        """Count one message; sleeps until its turn if there are too many."""
        now_s = self._clock()
        self._tokens = min(BURST, self._tokens + (now_s - self._at_s) * RATE_HZ) - 1
        self._at_s = now_s
        if self._tokens < 0:
            self._sleep(-self._tokens / RATE_HZ)
