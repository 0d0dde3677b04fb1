"""One client of the network library, from its first packet to its last.

Imported by the connection's thread, and not with the port: the library takes as long to import as
a dozen frames to classify.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessageInfo,
)
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.config.schema import MqttConfig
from edged.ports.mqtt import credentials, tls

if TYPE_CHECKING:
    from edged.ports.mqtt.callbacks import Callbacks

SILENT = "the broker stays silent"

NO_RECEIVE_MAXIMUM = 65535
"""What MQTT 5 assumes where the broker names no Receive Maximum."""


class Session:
    """What one client has been told by the broker, and what it is told to say.

    ``news`` is set when the connection is lost, for whatever ``reason``.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        client_id: str,
        availability: str,
        callbacks: Callbacks,
        news: threading.Event,
        *,
        v5: bool,
    ) -> None:
        """PortError where the credentials cannot be read."""
        self.lost = False
        self.reason = SILENT
        self.receive_maximum = NO_RECEIVE_MAXIMUM
        self._mqtt = mqtt
        self._v5 = v5
        self._availability = availability
        self._news = news
        self._answered = threading.Event()
        self._answer: ReasonCode | None = None
        self._client = client = self._new_client(client_id)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        client.on_publish = lambda _client, _data, packet, _code, _properties: (
            callbacks.acknowledged(packet)
        )
        client.on_message = lambda _client, _data, message: callbacks.message(message)

    def connect(self, host: str, port: int, timeout_s: float) -> None:
        """Connect and send the first packet. OSError or ValueError."""
        self._client.connect_timeout = timeout_s
        self._client.connect(host, port, self._mqtt.keepalive_s, **self._arguments())

    def start(self) -> bool:
        """Start the network's thread; False where it runs already."""
        return self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for the messages of `topics`."""
        if not self._v5:
            self._client.subscribe([(topic, 1) for topic in topics])
            return
        # A retained command is stale; the broker need not even send it.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        self._client.subscribe([(topic, options) for topic in topics])

    def say(self, availability: bytes) -> MQTTMessageInfo:
        """Publish ``online`` or ``offline``, retained."""
        return self._client.publish(self._availability, availability, 1, retain=True)

    def part(self, timeout_s: float) -> None:
        """Say ``offline``, and wait for the broker to have it."""
        farewell = self.say(b"offline")
        with suppress(RuntimeError, ValueError):
            farewell.wait_for_publish(timeout_s)

    def close(self) -> None:
        """End the network's thread, also one that waits for an answer."""
        client = self._client
        client.disconnect()
        client.loop_stop()
        # The library closes the sockets by which it wakes itself when nobody holds its client any
        # more: while that holds this session, only when garbage is collected, or not in time.
        client.on_connect = client.on_disconnect = client.on_log = None

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> MQTTMessageInfo | None:
        """Hand a message to the network's thread; None if the connection is gone."""
        properties = None
        if correlation is not None and self._v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        sent = self._client.publish(topic, payload, qos, retain, properties)
        return sent if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def answer(self, timeout_s: float) -> ReasonCode | None:
        """The broker's answer to our first packet; None if none came."""
        self._answered.wait(timeout_s)
        return self._answer

    def _on_connect(
        self,
        client: Client,
        data: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        answer: Properties | None,
    ) -> None:
        del data, flags
        client.on_log = None
        self.receive_maximum = getattr(answer, "ReceiveMaximum", NO_RECEIVE_MAXIMUM)
        self._answer = code
        self._answered.set()

    def _on_disconnect(
        self,
        client: Client,
        data: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        more: Properties | None,
    ) -> None:
        del client, data, flags, more
        name = code.getName()
        if name != "Unspecified error":
            self.reason = name
        elif self._answer is not None or self.reason == SILENT:
            self.reason = "the broker or the network ended it"
        self.lost = True
        self._answered.set()
        self._news.set()

    def _on_log(self, client: Client, data: Any, level: int, line: str) -> None:
        # Until the broker has answered: the library tells a TLS alert, such as that for a missing
        # client certificate, nowhere else.
        del client, data
        if level == LogLevel.MQTT_LOG_ERR:
            self.reason = line

    def _new_client(self, client_id: str) -> Client:
        v5 = self._v5
        protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            clean_session=None if v5 else self._mqtt.session_expiry_s == 0,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)
        client.will_set(self._availability, b"offline", 1, retain=True)
        name, password = credentials.user(self._mqtt)
        if name is not None:
            client.username_pw_set(name, password)
        if self._mqtt.tls.enabled:
            client.tls_set_context(tls.context(self._mqtt.tls))
            client.tls_insecure_set(not self._mqtt.tls.verify)
        return client

    def _arguments(self) -> dict[str, Any]:
        if not self._v5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._mqtt.session_expiry_s
        return {"clean_start": self._mqtt.session_expiry_s == 0, "properties": properties}


def _send_at_once(client: Client, data: Any, connection: Any) -> None:
    # An event and the state that follows it are two small packets; Nagle's algorithm would keep
    # the second back until the first is acknowledged, up to 40 ms later.
    del client, data
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
