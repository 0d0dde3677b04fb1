"""Problems of the broker: logged once, and listed while they last."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)

MOST = 50
"""The most problems kept; there are fewer topics."""


class Problems:
    """Problems by what they are about, such as a topic. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, str] = {}

    def tell(self, broker: str, about: str, problem: str | None) -> None:
        """Set this problem of `broker`, or clear it (None).

        Clearing ``size`` also clears ``size: image``.
        """
        with self._lock:
            if problem is None:
                over = [one for one in self._lines if f"{one}: ".startswith(f"{about}: ")]
                for one in over:
                    del self._lines[one]
                return
            before = self._lines.get(about)
            if before == problem or len(self._lines) >= MOST:
                return
            self._lines[about] = problem
        log.warning("MQTT broker %s: %s", broker, problem)

    def lines(self) -> list[str]:
        """All problems, oldest first."""
        with self._lock:
            return list(self._lines.values())
