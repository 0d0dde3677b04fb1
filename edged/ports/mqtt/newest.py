"""Messages of which only the newest counts: pictures, classifications, health."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from edged.ports.mqtt.limits import TooLargeError

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo

    from edged.ports.mqtt.connection import Connection

UNSENT_OF_A_KIND = 2
"""The most unsent messages of a topic."""


class Newest:
    """Publishes, or skips a message if the previous ones are still unsent on a slow network.

    Thus a dead connection holds two pictures in memory, not a minute of them. One thread only.
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
