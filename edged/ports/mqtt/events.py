"""How an event is published: as it is, in an envelope, and as others know events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from edged.config.schema import MqttConfig
from edged.messages import cloudevents
from edged.messages.frigate import Tracker
from edged.ports.mqtt.delivery import NEVER
from edged.ports.mqtt.limits import TooLargeError
from edged.ports.mqtt.topics import Topics

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo


class Events:
    """Publishes what the delivery hands over, in the configured form."""

    def __init__(self, mqtt: MqttConfig, topics: Topics) -> None:
        self._topic = topics.event
        self._source = cloudevents.source(topics.root)
        self._enveloped = mqtt.event_format == "cloudevents"
        self._frigate_topic = mqtt.frigate_topic
        self._tracker = Tracker()

    def publish(self, publish: Callable[..., MQTTMessageInfo | None], payload: bytes) -> int | None:
        """The packet's number, `NEVER`, or None while the broker takes no more.

        `publish` is the connection's.
        """
        said, content_type = payload, None
        if self._enveloped:
            said = cloudevents.structured(payload, self._source)
            content_type = cloudevents.STRUCTURED
        try:
            sent = publish(self._topic, said, qos=1, content_type=content_type)
        except TooLargeError:
            return NEVER
        if sent is None:
            return None
        if self._frigate_topic and (followed := self._tracker.follow(payload)):
            with suppress(TooLargeError):
                publish(self._frigate_topic, followed)
        return sent.mid
