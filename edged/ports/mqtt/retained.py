"""What the broker is to retain: the newest payload of each topic, until it is sent."""

from __future__ import annotations

import threading


class Retained:
    """Topics and their newest payloads. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payloads: dict[str, bytes] = {}
        # A dictionary for its order.
        self._due: dict[str, None] = {}

    def put(self, topic: str, payload: bytes) -> None:
        """What is to be retained from now on; an older one that waits is not sent any more."""
        with self._lock:
            self._payloads[topic] = payload
            self._due[topic] = None

    def send_again(self) -> None:
        """Everything: the broker may have been born anew, without what it was to retain."""
        with self._lock:
            self._due.update(dict.fromkeys(self._payloads))

    def take(self) -> list[tuple[str, bytes]]:
        """What waits to be sent, longest waiting first."""
        with self._lock:
            due = [(topic, self._payloads[topic]) for topic in self._due]
            self._due.clear()
        return due

    def __bool__(self) -> bool:
        return bool(self._due)
