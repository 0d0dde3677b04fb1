"""Answers on their way to the broker."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from edged.ports.mqtt.commands import Return
from edged.ports.mqtt.limits import TooLargeError

if TYPE_CHECKING:
    from edged.ports.mqtt.connection import Connection

PENDING = 64
"""Answers that wait until the broker takes more; beyond, the oldest is skipped and counted."""


class Replies:
    """Answers in their order, until the broker takes them. Any thread.

    `topic` is edged's own, for who names no other.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self.skipped = 0
        self._connection = connection
        self._topic = topic
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

    def _send(self, where: Return, payload: bytes) -> bool:
        """Whether it need not be sent again."""
        # Strangers name topics, and as many as they like.
        about = where.topic if where.topic == self._topic else "replies elsewhere"
        try:
            sent = self._connection.publish(
                where.topic, payload, 1, correlation=where.correlation, about=about
            )
        except TooLargeError:
            self.skipped += 1
            return True
        return sent is not None

    def __bool__(self) -> bool:
        return bool(self._waiting)
