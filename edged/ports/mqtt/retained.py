"""Messages to retain: the newest payload of each topic, until it is sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from edged.ports.mqtt.limits import TooLargeError
from edged.ports.mqtt.memory import Memory

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo

Payload: TypeAlias = bytes | Callable[[], bytes]
"""Bytes, or a function that produces them each time they are sent."""

NOTES = 1000
"""The most acknowledgements waiting to be processed."""


class Retained:
    """Topics and their newest payloads; an empty one ends the retention.

    Any thread. ``memory`` has the topics that the broker may retain. A topic leaves it when the
    broker has acknowledged the empty payload. ``skipped`` counts messages that are larger than the
    broker accepts.
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self.skipped = 0
        self._memory = memory or Memory(None, "")
        self._lock = threading.Lock()
        self._payloads: dict[str, Payload] = {}
        # A dictionary for its order.
        self._due: dict[str, None] = {}
        self._emptied: dict[int, str] = {}
        self._acknowledged: deque[int] = deque(maxlen=NOTES)

    def put(self, topic: str, payload: Payload) -> None:
        """Set the payload to retain; it replaces an older one that waits."""
        if payload:
            self._memory.retain([topic])
        with self._lock:
            if self._payloads.get(topic) == payload:
                return
            self._payloads[topic] = payload
            self._due[topic] = None

    def send_again(self) -> None:
        """Send everything again: the broker may have restarted without its retained messages."""
        with self._lock:
            self._emptied.clear()
            self._due.update(dict.fromkeys(self._payloads))

    def again(self, topic: str) -> None:
        """Put back a message that could not be sent."""
        with self._lock:
            self._due[topic] = None

    def publish(self, publish: Callable[..., MQTTMessageInfo | None]) -> None:
        """Send what waits; `publish` is the connection's."""
        self.settle()
        # Before they are retained, so that a power cut loses none.
        self._memory.save()
        for topic, payload in self.take():
            try:
                sent = publish(topic, payload, 0 if payload else 1, retain=True)
            except TooLargeError:
                self.skipped += 1
                continue
            if sent is None:
                self.again(topic)
            elif not payload:
                self.emptied(topic, sent.mid)

    def take(self) -> list[tuple[str, bytes]]:
        """What waits to be sent, longest waiting first."""
        with self._lock:
            due = [(topic, self._payloads[topic]) for topic in self._due]
            self._due.clear()
        return [(topic, one if isinstance(one, bytes) else one()) for topic, one in due]

    def emptied(self, topic: str, packet: int) -> None:
        """This packet tells the broker to retain nothing for `topic`."""
        with self._lock:
            self._emptied[packet] = topic

    def acknowledged(self, packet: int) -> None:
        """The broker has this packet. Never blocks: `settle` processes it."""
        self._acknowledged.append(packet)

    def settle(self) -> None:
        """Forget topics that the broker no longer retains."""
        with self._lock:
            while self._acknowledged:
                topic = self._emptied.pop(self._acknowledged.popleft(), None)
                if topic is not None and not self._payloads.get(topic):
                    self._payloads.pop(topic, None)
                    self._due.pop(topic, None)
                    self._memory.forget(topic)

    def __bool__(self) -> bool:
        return bool(self._due)
