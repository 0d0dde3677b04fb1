"""One client of the network library, from its first packet to its last.

Imported by the connection's thread, not with the port: importing the library takes as long as
classifying a dozen frames.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTMessageInfo,
)
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edged.config.schema import MqttConfig
from edged.ports.mqtt import credentials, tls
from edged.ports.mqtt.codes import know_every_refusal
from edged.ports.mqtt.flood import Brake
from edged.ports.mqtt.limits import (
    ENDED,
    SESSION_TAKEN_OVER,
    SIZE,
    Limits,
    TooLargeError,
    helps_to_wait,
    limits_of,
    publish_bytes,
    reason,
    refusal,
)

if TYPE_CHECKING:
    from edged.ports.mqtt.callbacks import Callbacks

SILENT = "the broker does not respond"

UNSENT = 100
"""The most unsent messages of QoS 0."""


know_every_refusal()


class Session:
    """The state of one client, and its messages.

    ``news`` is set when the connection is lost, for whatever ``reason``, and when there is
    something to `settle`. ``unsaid`` is whether the broker refused our availability, ``heard_s``
    when it was last known to be reachable, and ``unheard_s`` the same for the previous connection.
    ``identifier`` is its mark on messages that arrive after we have subscribed. ``will`` is the QoS
    of the last will, and whether that is retained.
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
        resume: bool = True,
        identifier: int = 1,
        unheard_s: float = -math.inf,
        will: tuple[int, bool] = (1, True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """PortError if the credentials cannot be read."""
        self.lost = False
        self.taken_over = self.unsaid = False
        self.reason = self.words = SILENT
        self.limits = Limits()
        self.present = False
        self.heard_s = -math.inf
        self.refused_topics: list[str] = []
        self._mqtt = mqtt
        self._v5 = v5
        self._resume = v5 and resume and mqtt.session_expiry_s > 0
        self._identifier = identifier
        self._unheard_s = unheard_s
        self._will = will
        self._clock = clock
        self._brake = Brake()
        self._callbacks = callbacks
        # Held while publishing, so that an answer, which the network's thread only puts into a
        # deque, always finds its message registered.
        self._lock = threading.Lock()
        self._unanswered: dict[int, str] = {}
        self._progress_s = 0.0
        self._unsent: set[int] = set()
        self._answers: deque[tuple[int, ReasonCode, Properties | None, float]] = deque()
        self._asked: list[str] = []
        self._availability = availability
        self._news = news
        self._answered = threading.Event()
        self._answer: ReasonCode | None = None
        self._client = client = self._new_client(client_id)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def connect(self, host: str, port: int, timeout_s: float) -> None:
        """Connect and send the first packet. OSError or ValueError."""
        self._client.connect_timeout = timeout_s
        self._client.connect(host, port, self._mqtt.keepalive_s, **self._arguments())

    def start(self) -> bool:
        """Start the network's thread; False if it runs already."""
        return self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged messages of QoS 1 the broker accepts."""
        return self.limits.receive_maximum

    def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe to `topics`; ``refused_topics`` are those that were refused."""
        self._asked = list(topics)
        self.refused_topics = []
        if not self._v5:
            self._client.subscribe([(topic, 1) for topic in topics])
            return
        # A retained command is stale; the broker need not even send it.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        properties = None
        if self.limits.subscription_identifiers:
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
            properties.SubscriptionIdentifier = self._identifier
        self._client.subscribe([(topic, options) for topic in topics], properties=properties)

    def say(self, availability: bytes) -> MQTTMessageInfo:
        """Publish ``online`` or ``offline``, retained."""
        with self._lock:
            self._settle()
            # If the broker accepts no more of QoS 1, QoS 0 is as fast.
            qos = self.limits.qos if len(self._unanswered) < self.receive_maximum else 0
            sent = self._client.publish(
                self._availability, availability, qos, retain=self.limits.retain
            )
            self._register(sent, self._availability, qos)
        return sent

    def part(self, timeout_s: float) -> None:
        """Publish ``offline``, and wait until the broker has it."""
        farewell = self.say(b"offline")
        with suppress(RuntimeError, ValueError):
            farewell.wait_for_publish(timeout_s)

    def close(self) -> None:
        """End the network's thread, even if it waits for an answer."""
        client = self._client
        client.disconnect()
        client.loop_stop()
        with self._lock:
            # Packet numbers start again with the next client.
            self._answers.clear()
        # The library closes its wake-up sockets when its client is freed: while the client refers
        # to this session, that happens only at garbage collection, perhaps too late.
        client.on_connect = client.on_disconnect = client.on_log = None
        client.on_publish = client.on_subscribe = client.on_message = None

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
        content_type: str | None = None,
        about: str = "",
    ) -> MQTTMessageInfo | None:
        """Pass a message to the network's thread.

        None if the connection is gone, or accepts no more at present: `UNSENT` messages wait for
        the network, or as many of QoS 1 for their acknowledgement as the broker allows.
        TooLargeError. A problem is reported under `about`, by default the topic.
        """
        properties = None
        if self._v5 and (correlation is not None or content_type is not None):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if correlation is not None:
                properties.CorrelationData = correlation
            if content_type is not None:
                properties.ContentType = content_type
        qos = min(qos, self.limits.qos)
        self._check_size(topic, about or topic, payload, qos, properties)
        with self._lock:
            self._settle()
            full = len(self._unanswered) >= self.receive_maximum if qos else False
            if full or len(self._unsent) >= UNSENT:
                return None
            retain = retain and self.limits.retain
            sent = self._client.publish(topic, payload, qos, retain, properties)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return None
            self._register(sent, about or topic, qos)
        return sent

    def unanswered_s(self) -> float:
        """How long the oldest message has been unacknowledged."""
        with self._lock:
            self._settle()
            return self._clock() - self._progress_s if self._unanswered else 0.0

    def settle(self) -> None:
        """Process the broker's answers to published messages."""
        with self._lock:
            self._settle()

    def answer(self, timeout_s: float) -> ReasonCode | None:
        """The broker's answer to our first packet; None without one."""
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
        del data
        client.on_log = None
        self.limits = limits_of(answer)
        self.present = flags.session_present
        self.heard_s = self._clock()
        self.words = reason(code, answer)
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
        del client, data, flags
        if code.getName() != "Unspecified error":
            self.reason = reason(code, more)
            self.taken_over = code.value == SESSION_TAKEN_OVER
        elif self._answer is not None or self.reason == SILENT:
            self.reason = ENDED
        self.lost = True
        self._answered.set()
        self._news.set()

    def _on_publish(
        self, client: Client, data: Any, packet: int, code: ReasonCode, more: Properties | None
    ) -> None:
        del client, data
        self._answers.append((packet, code, more, self._clock()))
        if code.is_failure:
            self._news.set()
        else:
            self._callbacks.acknowledged(packet)

    def _on_subscribe(
        self,
        client: Client,
        data: Any,
        packet: int,
        codes: list[ReasonCode],
        more: Properties | None,
    ) -> None:
        del client, data, packet
        self.heard_s = self._clock()
        for topic, code in zip(self._asked, codes, strict=False):
            if code.is_failure:
                self.refused_topics.append(topic)
            self._callbacks.problem(topic, refusal(topic, code, more) if code.is_failure else None)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        del client, data
        self.heard_s = now_s = self._clock()
        late = now_s - self._unheard_s > self._mqtt.command_age_s
        if late and self._waited(message):
            self._callbacks.stale(message)
        else:
            self._callbacks.message(message)
        self._brake.take()

    def _waited(self, message: MQTTMessage) -> bool:
        """Whether it was published before this connection subscribed.

        The broker marks a message on arrival with the identifier of the subscription at that time.
        The publisher can limit the wait (Message Expiry Interval).
        """
        marks = getattr(message.properties, "SubscriptionIdentifier", ())
        expires = hasattr(message.properties, "MessageExpiryInterval")
        return self._resume and self.present and self._identifier not in marks and not expires

    def _settle(self) -> None:
        while self._answers:
            packet, code, more, at_s = self._answers.popleft()
            self._unsent.discard(packet)
            about = self._unanswered.pop(packet, None)
            if about is None:
                continue
            self._progress_s = at_s
            self.heard_s = max(self.heard_s, at_s)
            self.unsaid = code.is_failure if about == self._availability else self.unsaid
            if code.is_failure:
                self._callbacks.problem(about, refusal(about, code, more))
                self._callbacks.refused(packet, helps_to_wait(code))
            else:
                self._callbacks.problem(about, None)

    def _register(self, sent: MQTTMessageInfo, about: str, qos: int) -> None:
        if qos:
            if not self._unanswered:
                self._progress_s = self._clock()
            self._unanswered[sent.mid] = about
        else:
            self._unsent.add(sent.mid)

    def _check_size(
        self, topic: str, about: str, payload: bytes, qos: int, properties: Properties | None
    ) -> None:
        most = self.limits.packet_bytes
        if most is None:
            return
        packed = properties.pack() if properties is not None else b"\0"  # type: ignore[no-untyped-call]
        if publish_bytes(topic, payload, qos, packed) > most:
            problem = f"it accepts at most {most} bytes; larger messages on {about} are skipped"
            self._callbacks.problem(f"{SIZE}: {about}", problem)
            raise TooLargeError(problem)

    def _on_log(self, client: Client, data: Any, level: int, line: str) -> None:
        # Until the broker has answered: the library reports a TLS alert, such as for a missing
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
            # In 3.1.1 it is unknown how long a command has waited.
            clean_session=None if v5 else True,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)
        qos, retain = self._will
        client.will_set(self._availability, b"offline", qos, retain=retain)
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
        return {"clean_start": not self._resume, "properties": properties}


def _send_at_once(client: Client, data: Any, connection: Any) -> None:
    # An event and the state that follows it are two small packets; Nagle's algorithm would delay
    # the second until the first is acknowledged, up to 40 ms later.
    del client, data
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
