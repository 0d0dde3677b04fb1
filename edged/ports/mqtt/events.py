"""Publishes an event in its forms: plain, as a CloudEvent, and in Frigate's form."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.config.schema import MqttConfig
from edged.ports.mqtt.delivery import NEVER
from edged.ports.mqtt.limits import TooLargeError
from edged.ports.mqtt.topics import Topics

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo


class Events:
    """Publishes the events of the delivery, in the configured form."""

    def __init__(self, mqtt: MqttConfig, topics: Topics) -> None:
        self._topic = topics.event
        self._envelope: Callable[[bytes], bytes] | None = None
        self._content_type: str | None = None
        if mqtt.event_format == "cloudevents":
            from edged.messages import cloudevents

            source = cloudevents.source(topics.root)
            self._envelope = lambda payload: cloudevents.structured(payload, source)
            self._content_type = cloudevents.STRUCTURED
        self._frigate_topic = mqtt.frigate_topic
        self._follow: Callable[[bytes], bytes | None] = lambda _: None
        if mqtt.frigate_topic:
            from edged.messages.frigate import Tracker

            self._follow = Tracker().follow

    def publish(self, publish: Callable[..., MQTTMessageInfo | None], payload: bytes) -> int | None:
        """The packet's number, `NEVER`, or None while the broker accepts no more.

        `publish` is the connection's.
        """
        said = payload if self._envelope is None else self._envelope(payload)
        try:
            sent = publish(self._topic, said, qos=1, content_type=self._content_type)
        except TooLargeError:
            return NEVER
        if sent is None:
            return None
        if (followed := self._follow(payload)) is not None:
            with suppress(TooLargeError):
                publish(self._frigate_topic, followed)
        return sent.mid
