"""Messages of which only the newest count: pictures, classifications, health."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from edged.ports.mqtt.limits import TooLargeError

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo

    from edged.ports.mqtt.connection import Connection

UNSENT_OF_A_KIND = 2
"""Messages of a topic that the network may lag behind."""


class Newest:
    """Publishes, or skips where those before are still not out: the network is slower than we.

    Thus a dead connection holds two pictures in memory, and not a minute of them. One thread only.
    """

    def __init__(self, connection: Connection) -> None:
        self.skipped = 0
        self._connection = connection
        self._unsent: dict[str, deque[MQTTMessageInfo]] = {}

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish, or skip and count."""
        unsent = self._unsent.setdefault(topic, deque())
        while unsent and (unsent[0].is_published() or not self._connection.up):
            unsent.popleft()
        if len(unsent) >= UNSENT_OF_A_KIND:
            self.skipped += 1
            return
        try:
            sent = self._connection.publish(topic, payload, retain=retain)
        except TooLargeError:
            self.skipped += 1
            return
        if sent is not None:
            unsent.append(sent)
