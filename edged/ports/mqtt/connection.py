"""One connection to the broker, opened again whenever it is lost."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edged.backoff import backoff_s
from edged.config.schema import MqttConfig
from edged.errors import PortError
from edged.ports.mqtt import credentials
from edged.ports.mqtt.callbacks import Callbacks

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo
    from paho.mqtt.reasoncodes import ReasonCode

    from edged.ports.mqtt.session import Session

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
"""For the TCP connection and the TLS handshake, and again for the broker's first answer."""

STABLE_S = 10.0
"""A connection that lived this long was a good one: the next back-off starts small again."""

ALIVE_CHECK_S = 10.0
"""How often to look whether the network's thread still lives."""

FAREWELL_S = 1.0
"""At the end, the time for the last messages to go out."""


class Connection:
    """Keeps a connection to the broker, from a daemon thread of its own, until stopped.

    Each attempt uses a new client of the network library and reads the credentials and
    certificates anew, so that a rotation takes effect and nothing is sent again behind the back of
    `Delivery`. `availability` is the topic that says ``online`` or ``offline``, retained; the
    broker itself says ``offline`` there when the connection dies.

    The library is imported by this thread, and not before `first_done` or ``head_start_s``: it
    would compete with the first picture for the interpreter.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        client_id: str,
        availability: str,
        subscriptions: Sequence[str],
        callbacks: Callbacks,
        *,
        head_start_s: float = 0.0,
    ) -> None:
        self._mqtt = mqtt
        self._client_id = client_id
        self._availability = availability
        self._subscriptions = subscriptions
        self._callbacks = callbacks
        self._head_start_s = head_start_s
        self._first_done = threading.Event()
        # The embedded broker leaves a greeting in MQTT 5 without an answer.
        self._v5 = mqtt.protocol == "5" and not mqtt.embedded
        self._port = mqtt.port or (8883 if mqtt.tls.enabled else 1883)
        self._session: Session | None = None
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
        return self._session is not None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def first_done(self) -> None:
        """What had a head start is done: connect now."""
        self._first_done.set()

    def stop(self) -> None:
        """Say goodbye and disconnect; takes no longer than a few seconds."""
        self._stopping.set()
        self._first_done.set()
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
        session = self._session
        if session is None:
            return None
        return session.publish(topic, payload, qos, retain=retain, correlation=correlation)

    def announce(self) -> None:
        """Say ``online``."""
        if session := self._session:
            session.say(b"online")

    def _run(self) -> None:
        self._first_done.wait(self._head_start_s)
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self._live_once()
            except PortError as error:
                self._tell_problem(str(error))
            if time.monotonic() - began_s > STABLE_S:
                failures = 0
            failures += 1
            self._stopping.wait(backoff_s(failures, self._mqtt.retry_min_s, self._mqtt.retry_max_s))

    def _live_once(self) -> None:
        """One connection from its first packet to its last. PortError says why it failed."""
        from edged.ports.mqtt.session import Session

        session = Session(
            self._mqtt,
            self._client_id,
            self._availability,
            self._callbacks,
            self._news,
            v5=self._v5,
        )
        try:
            session.connect(self._mqtt.host, self._port, CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise PortError(f"MQTT broker {self.broker}: {_reason(error)}") from error
        session.start()
        try:
            self._greet(session)
            while not session.lost and not self._stopping.is_set():
                if not self._news.wait(ALIVE_CHECK_S) and not session.lost:
                    self._check_alive(session)
                self._news.clear()
            if session.lost:
                raise PortError(f"MQTT broker {self.broker}: connection lost: {session.reason}")
            session.part(FAREWELL_S)
        finally:
            self._session = None
            session.close()
            self._callbacks.down()

    def _greet(self, session: Session) -> None:
        """Wait for the broker's answer, then make this the connection in use."""
        answer = session.answer(CONNECT_TIMEOUT_S)
        if answer is None:
            raise PortError(f"MQTT broker {self.broker}: no answer: {session.reason}")
        if answer.is_failure:
            raise PortError(f"MQTT broker {self.broker}: {self._refusal(answer)}")
        self._tell_connected()
        if self._subscriptions:
            session.subscribe(self._subscriptions)
        self._session = session
        self._callbacks.up(session.receive_maximum)

    def _check_alive(self, session: Session) -> None:
        # The library starts a thread only where none is, and tells so: then the one that was there
        # has fallen over something that it cannot digest, and nobody else would notice.
        if session.start():
            raise PortError(f"MQTT broker {self.broker}: the network library gave up")

    def _refusal(self, answer: ReasonCode) -> str:
        name = answer.getName()
        if name == "Unsupported protocol version" and self._v5:
            self._v5 = False
            return "it does not speak MQTT 5; MQTT 3.1.1 is used"
        if name in ("Bad user name or password", "Not authorized"):
            user = "mqtt.username" if self._mqtt.username else "mqtt.username_file"
            return (
                f"it refuses the user or the password ({name}); check {user} and mqtt.password_file"
            )
        return f"it refuses the connection: {name}"

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("%s; trying again", problem)

    def _tell_connected(self) -> None:
        self._problem = None
        log.info("MQTT broker %s: connected as %s", self.broker, self._client_id)


def _reason(error: Exception) -> str:
    """Why connecting failed, and what to look at."""
    import ssl

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
