"""Queue of answers to the broker."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from edged.ports.mqtt.commands import Return
from edged.ports.mqtt.limits import TooLargeError

if TYPE_CHECKING:
    from edged.ports.mqtt.connection import Connection

PENDING = 64
"""The most answers that wait for the broker; beyond that, the oldest is skipped and counted."""


class Replies:
    """Answers in order, until the broker accepts them.

    Any thread. `topic` is edged's own, for requests without a response topic.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self.skipped = 0
        self._connection = connection
        self._topic = topic
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Return, bytes]] = deque()

    def put(self, where: Return, payload: bytes) -> None:
        """Publish an answer, now if the broker accepts it."""
        with self._lock:
            self._waiting.append((where, payload))
            if len(self._waiting) > PENDING:
                self._waiting.popleft()
                self.skipped += 1
        self.publish()

    def publish(self) -> None:
        """Publish waiting answers, as long as the broker accepts them."""
        with self._lock:
            while self._waiting and self._send(*self._waiting[0]):
                self._waiting.popleft()

    def _send(self, where: Return, payload: bytes) -> bool:
        """Send an answer; whether it is done."""
        # Response topics are untrusted, and unlimited in number.
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
