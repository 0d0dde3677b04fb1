"""Answers on their way to the broker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from edged.ports.mqtt.commands import Return

PENDING = 64
"""Answers that wait until the broker takes more; beyond, the oldest is skipped and counted."""


class Replies:
    """Answers in their order, until the broker takes them. Any thread.

    ``send`` publishes one, and says whether it need not be sent again.
    """

    def __init__(self, send: Callable[[Return, bytes], bool]) -> None:
        self.skipped = 0
        self._send = send
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Return, bytes]] = deque()

    def put(self, where: Return, payload: bytes) -> None:
        """Publish an answer, now if the broker takes it."""
        with self._lock:
            self._waiting.append((where, payload))
            if len(self._waiting) > PENDING:
                self._waiting.popleft()
                self.skipped += 1
        self.publish()

    def publish(self) -> None:
        """Those that wait, as long as the broker takes them."""
        with self._lock:
            while self._waiting and self._send(*self._waiting[0]):
                self._waiting.popleft()

    def __bool__(self) -> bool:
        return bool(self._waiting)
