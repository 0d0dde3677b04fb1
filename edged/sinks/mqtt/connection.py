"""One connection to the broker, opened again whenever it is lost."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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
from edged.errors import SinkError
from edged.sinks.mqtt import credentials

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
"""For the TCP connection and the TLS handshake, and again for the broker's first answer."""

STABLE_S = 10.0
"""A connection that lived this long was a good one: the next back-off starts small again."""

ALIVE_CHECK_S = 10.0
"""How often to look whether the network's thread still lives."""

FAREWELL_S = 1.0
"""At the end, the time for the last messages to go out."""

SILENT = "the broker stays silent"

NO_RECEIVE_MAXIMUM = 65535
"""What MQTT 5 assumes where the broker names no Receive Maximum."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the connection tells its owner, each from a thread of the connection's."""

    up: Callable[[int], None]
    """Connected; the number of unacknowledged messages that the broker takes."""

    down: Callable[[], None]
    """The connection is lost; nothing of it comes any more."""

    acknowledged: Callable[[int], None]
    """The broker has the packet. Called under the network library's lock: leave a note only."""

    message: Callable[[MQTTMessage], None]
    """Something came on a subscribed topic."""


class Connection:
    """Keeps a connection to the broker, from a daemon thread of its own, until stopped.

    Each attempt uses a new client of the network library and reads the credentials and
    certificates anew, so that a rotation takes effect and nothing is sent again behind the back of
    `Delivery`. `availability` is the topic that says ``online`` or ``offline``, retained; the
    broker itself says ``offline`` there when the connection dies.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        client_id: str,
        availability: str,
        subscriptions: Sequence[str],
        callbacks: Callbacks,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._mqtt = mqtt
        self._client_id = client_id
        self._availability = availability
        self._subscriptions = subscriptions
        self._callbacks = callbacks
        self._jitter = jitter
        # The embedded broker leaves a greeting in MQTT 5 without an answer.
        v5 = mqtt.protocol == "5" and not mqtt.embedded
        self._protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        self._port = mqtt.port or (8883 if mqtt.tls.enabled else 1883)
        self._client: Client | None = None
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._problem: str | None = None
        credentials.check(mqtt)

    @property
    def broker(self) -> str:
        """Which broker, for people."""
        return f"{self._mqtt.host}:{self._port}"

    @property
    def up(self) -> bool:
        """Whether messages can be sent at present."""
        return self._client is not None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and disconnect; takes no longer than a few seconds."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            # Longer than a farewell; a thread that waits for a name server is left behind.
            self._thread.join(2 * FAREWELL_S)

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> MQTTMessageInfo | None:
        """Hand a message to the network's thread; None while the broker is away. Never blocks."""
        client = self._client
        if client is None:
            return None
        properties = None
        if correlation is not None and self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        sent = client.publish(topic, payload, qos, retain, properties)
        return sent if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self._live_once()
            except SinkError as error:
                self._tell_problem(str(error))
            if time.monotonic() - began_s > STABLE_S:
                failures = 0
            longest_s = min(self._mqtt.retry_max_s, self._mqtt.retry_min_s * 2.0**failures)
            failures = min(failures + 1, 30)
            # Half of it by chance: a thousand devices must not come back in one moment.
            self._stopping.wait(self._jitter(longest_s / 2, longest_s))

    def _live_once(self) -> None:
        """One connection from its first packet to its last. SinkError says why it failed."""
        session = _Session(self._new_client(), self._callbacks, self._news)
        client = session.client
        try:
            client.connect(
                self._mqtt.host,
                self._port,
                self._mqtt.keepalive_s,
                **self._session_arguments(),
            )
        except (OSError, ValueError) as error:
            raise SinkError(f"MQTT broker {self.broker}: {_reason(error)}") from error
        client.loop_start()
        try:
            self._greet(session)
            while not session.lost and not self._stopping.is_set():
                if not self._news.wait(ALIVE_CHECK_S) and not session.lost:
                    self._check_alive(client)
                self._news.clear()
            if session.lost:
                raise SinkError(f"MQTT broker {self.broker}: connection lost: {session.reason}")
            self._part(client)
        finally:
            self._client = None
            # Ends the network's thread, also one that waits for an answer.
            client.disconnect()
            client.loop_stop()
            self._callbacks.down()

    def _greet(self, session: _Session) -> None:
        """Wait for the broker's answer, then make this the connection in use."""
        answer = session.answer(CONNECT_TIMEOUT_S)
        if answer is None:
            raise SinkError(f"MQTT broker {self.broker}: no answer: {session.reason}")
        if answer.is_failure:
            raise SinkError(f"MQTT broker {self.broker}: {self._refusal(answer)}")
        self._tell_connected()
        client = session.client
        if self._subscriptions:
            client.subscribe(self._subscribed())
        self._client = client
        client.publish(self._availability, b"online", 1, retain=True)
        self._callbacks.up(session.receive_maximum)

    def _check_alive(self, client: Client) -> None:
        # The library starts a thread only where none is, and tells so: then the one that was there
        # has fallen over something that it cannot digest, and nobody else would notice.
        if client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise SinkError(f"MQTT broker {self.broker}: the network library gave up")

    def _part(self, client: Client) -> None:
        farewell = client.publish(self._availability, b"offline", 1, retain=True)
        with suppress(RuntimeError, ValueError):
            farewell.wait_for_publish(FAREWELL_S)

    def _new_client(self) -> Client:
        v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._protocol,
            clean_session=None if v5 else self._mqtt.session_expiry_s == 0,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)
        client.will_set(self._availability, b"offline", 1, retain=True)
        name, password = credentials.user(self._mqtt)
        if name is not None:
            client.username_pw_set(name, password)
        if self._mqtt.tls.enabled:
            client.tls_set_context(credentials.tls_context(self._mqtt.tls))
            client.tls_insecure_set(not self._mqtt.tls.verify)
        return client

    def _session_arguments(self) -> dict[str, Any]:
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._mqtt.session_expiry_s
        return {"clean_start": self._mqtt.session_expiry_s == 0, "properties": properties}

    def _subscribed(self) -> list[tuple[str, Any]]:
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            return [(topic, 1) for topic in self._subscriptions]
        # A retained command is stale; the broker need not even send it.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        return [(topic, options) for topic in self._subscriptions]

    def _refusal(self, answer: ReasonCode) -> str:
        name = answer.getName()
        if name == "Unsupported protocol version" and self._protocol == MQTTProtocolVersion.MQTTv5:
            self._protocol = MQTTProtocolVersion.MQTTv311
            return "it does not speak MQTT 5; MQTT 3.1.1 is used"
        if name in ("Bad user name or password", "Not authorized"):
            return f"it refuses the user or the password ({name}); check [mqtt] username_file"
        return f"it refuses the connection: {name}"

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("%s; trying again", problem)

    def _tell_connected(self) -> None:
        self._problem = None
        log.info("MQTT broker %s: connected as %s", self.broker, self._client_id)


class _Session:
    """The life of one client: what its network thread has told. ``news`` is set at each."""

    def __init__(self, client: Client, callbacks: Callbacks, news: threading.Event) -> None:
        self.client = client
        self.lost = False
        self.reason = SILENT
        self.receive_maximum = NO_RECEIVE_MAXIMUM
        self._news = news
        self._answered = threading.Event()
        self._answer: ReasonCode | None = None
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        client.on_publish = lambda _client, _data, packet, _code, _properties: (
            callbacks.acknowledged(packet)
        )
        client.on_message = lambda _client, _data, message: callbacks.message(message)

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


def _send_at_once(client: Client, data: Any, connection: Any) -> None:
    # An event and the state that follows it are two small packets; Nagle's algorithm would keep
    # the second back until the first is acknowledged, up to 40 ms later.
    del client, data
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reason(error: Exception) -> str:
    """Why connecting failed, and what to look at."""
    match error:
        case socket.gaierror():
            return "its name is not found; check mqtt.host"
        case ConnectionRefusedError():
            return "nothing listens there; check mqtt.host and mqtt.port"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}; check mqtt.tls.ca_file"
        case ssl.SSLError():
            return f"TLS fails: {error.reason}; check mqtt.port and mqtt.tls"
        case TimeoutError():
            return "it does not answer; check mqtt.host and the network"
        case OSError():
            return f"cannot connect: {error.strerror or error}"
        case _:
            return f"cannot connect: {error}"
