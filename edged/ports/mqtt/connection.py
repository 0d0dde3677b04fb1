"""The connection to the broker, reopened after each loss."""

from __future__ import annotations

import logging
import os
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
from edged.ports.mqtt.limits import ENDED, SIZE

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo
    from paho.mqtt.reasoncodes import ReasonCode

    from edged.ports.mqtt.session import Session

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
"""The limit for TCP connection and TLS handshake, and again for the broker's first answer."""

STABLE_S = 10.0
"""After a connection of this duration, the back-off starts from the beginning."""

ALIVE_CHECK_S = 10.0
"""How often to check whether the network's thread is alive."""

SILENT_S = 60.0
"""A broker that acknowledges nothing for this time is reported."""

RIVAL_CUTS = 3
"""This many connections in a row shorter than `STABLE_S` are not the network's fault."""

RIVAL_GONE_S = 600.0
"""After this time, a connection has no rival."""

RIVAL = "client identifier"

FAREWELL_S = 1.0
"""At the end, the time for the last messages to go out."""


class Connection:
    """Maintains a connection to the broker, in its own daemon thread, until stopped.

    Each attempt uses a new client of the network library and reads the credentials and certificates
    again, so that a rotation takes effect and the library resends nothing on its own.
    `availability` is the retained topic with ``online`` or ``offline``; ``offline`` is also the
    last will.

    ``without_wildcards`` are the subscriptions for a broker without wildcards. ``heard_s`` is when
    the broker was last known to be reachable. This thread imports the library, not before
    `first_done` or ``head_start_s``: the import would compete with the first frame for the
    interpreter.
    """

    def __init__(
        self,
        mqtt: MqttConfig,
        client_id: str,
        availability: str,
        subscriptions: Sequence[str],
        callbacks: Callbacks,
        *,
        without_wildcards: Sequence[str] = (),
        heard_s: float,
        head_start_s: float = 0.0,
    ) -> None:
        self.heard_s = heard_s
        self._without_wildcards = without_wildcards
        # The broker must forget unwanted subscriptions.
        self._resume = mqtt.commands
        self._will = (1, True)
        self._packet_bytes: int | None = None
        self._cuts = 0
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
        self.error: str | None = None
        """Why the broker is not connected, as far as that is known."""
        credentials.check(mqtt)

    @property
    def broker(self) -> str:
        """The broker, for people."""
        return f"{self._mqtt.host}:{self._port}"

    @property
    def up(self) -> bool:
        """Whether messages can be sent at present."""
        return self._session is not None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        if readable := credentials.exposed(self._mqtt):
            log.warning("%s; set [mqtt.tls] enabled = true", readable)
        self._thread.start()

    def first_done(self) -> None:
        """The first result is done: connect now."""
        self._first_done.set()

    def stop(self) -> None:
        """Publish ``offline`` and disconnect; takes at most a few seconds."""
        self._stopping.set()
        self._first_done.set()
        self._news.set()
        if self._thread.is_alive():
            # Longer than a regular end; a thread that waits for a name server is abandoned.
            self._thread.join(2 * FAREWELL_S)

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

        Never blocks. None while the broker is unreachable or accepts no more; TooLargeError for a
        message that it never accepts.
        """
        session = self._session
        if session is None:
            return None
        return session.publish(
            topic,
            payload,
            qos,
            retain=retain,
            correlation=correlation,
            content_type=content_type,
            about=about,
        )

    def announce(self) -> None:
        """Publish ``online``."""
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
        """One connection from its first packet to its last. PortError with why it failed."""
        from edged.ports.mqtt.session import Session

        session = Session(
            self._mqtt,
            self._client_id,
            self._availability,
            self._callbacks,
            self._news,
            v5=self._v5,
            resume=self._resume,
            # Random: no earlier run must have marked waiting messages with it.
            identifier=1 + int.from_bytes(os.urandom(3), "big"),
            unheard_s=self.heard_s,
            will=self._will,
        )
        try:
            session.connect(self._mqtt.host, self._port, CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise PortError(reason(error)) from error
        session.start()
        try:
            self._greet(session)
            began_s = time.monotonic()
            while not session.lost and not self._stopping.is_set():
                if not self._news.wait(ALIVE_CHECK_S) and not session.lost:
                    self._check_alive(session)
                    self._look_again(session, time.monotonic() - began_s)
                self._news.clear()
                session.settle()
            if session.lost:
                self._look_for_rival(session, time.monotonic() - began_s)
                raise PortError(f"connection lost: {session.reason}")
            session.part(FAREWELL_S)
            session.settle()
        finally:
            self._session = None
            session.close()
            self.heard_s = max(self.heard_s, session.heard_s)
            self._callbacks.down()

    def _greet(self, session: Session) -> None:
        """Wait for the broker's answer, then make this the connection in use."""
        answer = session.answer(CONNECT_TIMEOUT_S)
        if answer is None:
            raise PortError(f"no answer: {session.reason}")
        if answer.is_failure:
            raise PortError(self._refusal(answer, session.words))
        limits = session.limits
        if self._resume and session.present and not limits.subscription_identifiers:
            self._resume = False
            raise PortError(
                "it does not report how long commands have waited; connecting without them"
            )
        self._tell_connected()
        for feature, problem in limits.lacks(self._mqtt.keepalive_s):
            self._callbacks.problem(feature, problem)
        if limits.packet_bytes != self._packet_bytes:
            self._packet_bytes = limits.packet_bytes
            self._callbacks.problem(SIZE, None)
        if self._subscriptions:
            session.subscribe(self._subscriptions if limits.wildcards else self._without_wildcards)
        self._session = session
        self._callbacks.up(session.receive_maximum)

    def _check_alive(self, session: Session) -> None:
        # The library starts a thread only if none runs, and returns that: the previous one has then
        # crashed on a packet, which nothing else would notice.
        if session.start():
            raise PortError("the network library gave up")

    def _look_again(self, session: Session, lived_s: float) -> None:
        """Check again: refused topics may be allowed by now, a rival gone, and the broker stuck."""
        if session.refused_topics:
            session.subscribe(session.refused_topics)
        if session.unsaid:
            session.say(b"online")
        silent = session.unanswered_s() > SILENT_S
        problem = f"it has acknowledged nothing for {SILENT_S:.0f} s; events stay in the journal"
        self._callbacks.problem("acknowledgements", problem if silent else None)
        if lived_s > RIVAL_GONE_S:
            self._callbacks.problem(RIVAL, None)

    def _look_for_rival(self, session: Session, lived_s: float) -> None:
        """Detect another client with our identifier as the cause of short connections."""
        cut = lived_s < STABLE_S and session.reason == ENDED
        self._cuts = self._cuts + 1 if cut else 0
        rival = f"client uses the identifier {self._client_id}; give each its own mqtt.client_id"
        if session.taken_over:
            self._callbacks.problem(RIVAL, f"another {rival}, or leave it empty")
        elif self._cuts >= RIVAL_CUTS:
            self._callbacks.problem(
                RIVAL,
                f"it closes each connection at once; perhaps another {rival}; or a message is "
                'larger than it accepts, which it reports with mqtt.protocol = "5"',
            )

    def _refusal(self, answer: ReasonCode, words: str = "") -> str:
        name = answer.getName()
        if name in ("Retain not supported", "QoS not supported"):
            # The last will asked for it.
            qos, retain = self._will
            self._will = (0, retain) if name == "QoS not supported" else (qos, False)
            return f"it refuses the last will ({name}); connecting with a reduced one"
        if name == "Unsupported protocol version" and self._v5:
            self._v5 = False
            return "it does not support MQTT 5; edged uses MQTT 3.1.1"
        if name == "Client identifier not valid":
            return f"it refuses the identifier {self._client_id} ({words}); set mqtt.client_id"
        return refused(self._mqtt, name, words)

    def _tell_problem(self, problem: str) -> None:
        if problem != self.error:
            self.error = problem
            log.warning("MQTT broker %s: %s; trying again", self.broker, problem)

    def _tell_connected(self) -> None:
        self.error = None
        log.info("MQTT broker %s: connected as %s", self.broker, self._client_id)


def refused(mqtt: MqttConfig, name: str, words: str = "") -> str:
    """What to check if the broker refuses the connection for this reason, in its `words`."""
    if name in ("Bad user name or password", "Not authorized"):
        user = "mqtt.username" if mqtt.username else "mqtt.username_file"
        return f"it refuses the user or the password ({name}); check {user} and mqtt.password_file"
    return f"it refuses the connection: {words or name}"


def reason(error: Exception) -> str:
    """Why connecting failed, and what to check."""
    import ssl

    match error:
        case socket.gaierror():
            return "its name cannot be resolved; check mqtt.host"
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
