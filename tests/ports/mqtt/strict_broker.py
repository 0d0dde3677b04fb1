"""A strict MQTT 5 broker of the tests' own: it holds the client to every limit that it names.

It serves one client at a time on a port of the loopback, answers what it is told to answer, and
cuts whoever breaks a rule, with the reason code of the standard. Numbers in brackets are chapters
of MQTT 5.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.mosquitto import LIMIT_S

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x30, 0x40
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 0x80, 0x90, 0xA0, 0xB0
PINGREQ, PINGRESP, DISCONNECT = 0xC0, 0xD0, 0xE0


class Published(NamedTuple):
    """A message of the client's."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet: int


class StrictBroker:
    """Answers CONNECT with ``connack`` (a reason code) and the properties ``names``.

    ``puback`` and ``suback`` give the reason code for a topic, and None for no answer at all.
    ``violations`` are the reasons for which clients were cut, ``greetings`` what they said first.
    ``retained`` is what the broker keeps, ``most`` how many messages of QoS 1 ever waited at once.
    """

    def __init__(self, **names: int | str) -> None:
        self.names = names
        self.connack = 0
        self.session_present = False
        self.puback: Callable[[str], int | None] = lambda _: 0
        self.suback: Callable[[str], int | None] = lambda _: 1
        self.words = ""
        self.violations: list[int] = []
        self.greetings: list[Greeting] = []
        self.published: queue.Queue[Published] = queue.Queue()
        self.retained: dict[str, bytes] = {}
        self.subscribed: dict[str, int | None] = {}
        self.unanswered: list[int] = []
        self.most = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._wire: socket.socket | None = None
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> StrictBroker:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join(LIMIT_S)

    def next(self, topic: str) -> Published:
        """The next message on `topic`; others before it are dropped."""
        while (message := self.published.get(timeout=LIMIT_S)).topic != topic:
            pass
        return message

    def cut(self) -> None:
        """As a cable that is pulled."""
        if (wire := self._wire) is not None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def disconnect(self, code: int, **more: str) -> None:
        """Say why, and end the connection."""
        with suppress(OSError):
            self._send(DISCONNECT, bytes([code]) + _packed(PacketTypes.DISCONNECT, more))
        self.cut()

    def acknowledge(self, code: int = 0) -> None:
        """Answer all that was published and not answered."""
        while self.unanswered:
            self._acknowledge(self.unanswered[0], code)

    def send(self, topic: str, payload: bytes, *, mark: int | None = None, **more: Any) -> None:
        """A message to the client, marked with a subscription identifier."""
        if mark is not None:
            more["SubscriptionIdentifier"] = mark
        properties = _packed(PacketTypes.PUBLISH, more)
        self._send(PUBLISH | 0x02, _text(topic) + struct.pack("!H", 7) + properties + payload)

    def _serve(self) -> None:
        while True:
            try:
                self._wire, _ = self._server.accept()
            except OSError:
                return
            with self._wire as wire, suppress(OSError, EOFError, ViolationError):
                self.unanswered.clear()
                for kind, body, size in _packets(wire):
                    try:
                        self._take(kind, body, size)
                    except ViolationError as violation:
                        self.violations.append(violation.code)
                        self.disconnect(violation.code)
                        raise

    def _take(self, kind: int, body: bytes, size: int) -> None:
        most = self.names.get("MaximumPacketSize")
        if isinstance(most, int) and size > most and kind & 0xF0 != CONNECT:
            raise ViolationError(0x95)
        match kind & 0xF0:
            case 0x10:
                self._greet(body)
            case 0x30:
                self._take_message(kind, body)
            case 0x80:
                self._subscribe(body)
            case 0xA0:
                self._send(UNSUBACK, body[:2] + b"\0\0")
            case 0xC0:
                self._send(PINGRESP, b"")
            case 0xE0:
                raise EOFError

    def _greet(self, body: bytes) -> None:
        greeting = _greeting(body)
        self.greetings.append(greeting)
        code = self.connack
        if greeting.will_retain and self.names.get("RetainAvailable") == 0:
            code = 0x9A
        elif greeting.will_qos > self.names.get("MaximumQoS", 2):  # type: ignore[operator]
            code = 0x9B
        names = {**self.names, **({"ReasonString": self.words} if self.words else {})}
        present = self.session_present and not greeting.clean_start and code == 0
        self._send(CONNACK, bytes([present, code]) + _packed(PacketTypes.CONNACK, names))
        if code:
            raise EOFError

    def _take_message(self, kind: int, body: bytes) -> None:
        qos, retain = kind >> 1 & 3, bool(kind & 1)
        topic, rest = _text_of(body)
        packet = 0
        if qos:
            (packet,), rest = struct.unpack("!H", rest[:2]), rest[2:]
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        _, length = properties.unpack(rest)
        if hasattr(properties, "TopicAlias"):
            if properties.TopicAlias > self.names.get("TopicAliasMaximum", 0):
                raise ViolationError(0x94)
        elif not topic:
            raise ViolationError(0x82)
        if retain and self.names.get("RetainAvailable") == 0:
            raise ViolationError(0x9A)
        if qos > self.names.get("MaximumQoS", 2):  # type: ignore[operator]
            raise ViolationError(0x9B)
        message = Published(topic, rest[length:], qos, retain, packet)
        if qos:
            self.unanswered.append(packet)
            self.most = max(self.most, len(self.unanswered))
            if len(self.unanswered) > self.names.get("ReceiveMaximum", 65535):  # type: ignore[operator]
                raise ViolationError(0x93)
        code = self.puback(topic)
        if retain and (code or 0) < 0x80:
            self.retained[topic] = message.payload
            if not message.payload:
                del self.retained[topic]
        self.published.put(message)
        if qos and code is not None:
            self._acknowledge(packet, code)

    def _acknowledge(self, packet: int, code: int) -> None:
        self.unanswered.remove(packet)
        words = {"ReasonString": self.words} if self.words and code >= 0x80 else {}
        answer = bytes([code]) + _packed(PacketTypes.PUBACK, words) if code else b""
        self._send(PUBACK, struct.pack("!H", packet) + answer)

    def _subscribe(self, body: bytes) -> None:
        properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
        _, length = properties.unpack(body[2:])
        mark = getattr(properties, "SubscriptionIdentifier", [None])[0]
        if mark is not None and self.names.get("SubscriptionIdentifierAvailable") == 0:
            raise ViolationError(0xA1)
        rest, codes = body[2 + length :], b""
        while rest:
            topic, rest = _text_of(rest)
            rest = rest[1:]
            if set(topic) & set("+#") and self.names.get("WildcardSubscriptionAvailable") == 0:
                raise ViolationError(0xA2)
            code = self.suback(topic)
            if code is None:
                return
            if code < 0x80:
                self.subscribed[topic] = mark
            codes += bytes([code])
        words = {"ReasonString": self.words} if self.words else {}
        self._send(SUBACK, body[:2] + _packed(PacketTypes.SUBACK, words) + codes)

    def _send(self, kind: int, body: bytes) -> None:
        assert self._wire is not None
        with self._sending:
            self._wire.sendall(bytes([kind]) + _length(len(body)) + body)


class ViolationError(Exception):
    """The client broke a rule."""

    def __init__(self, code: int) -> None:
        super().__init__(hex(code))
        self.code = code


class Greeting(NamedTuple):
    """What of a CONNECT tests look at."""

    client_id: str
    clean_start: bool
    keepalive_s: int
    will_qos: int
    will_retain: bool


def _greeting(body: bytes) -> Greeting:
    name, rest = _text_of(body)
    assert (name, rest[0]) == ("MQTT", 5)
    flags, keepalive_s = rest[1], int.from_bytes(rest[2:4], "big")
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    _, length = properties.unpack(rest[4:])
    client_id, _ = _text_of(rest[4 + length :])
    return Greeting(client_id, bool(flags & 0x02), keepalive_s, flags >> 3 & 3, bool(flags & 0x20))


def _packets(wire: socket.socket) -> Iterator[tuple[int, bytes, int]]:
    """Of each packet its first byte, what follows its length, and its size in bytes."""
    while True:
        (kind,) = _read(wire, 1)
        length = shift = 0
        while True:
            (byte,) = _read(wire, 1)
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield kind, _read(wire, length), 1 + shift // 7 + length


def _read(wire: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = wire.recv(size - len(read))
        if not more:
            raise EOFError
        read += more
    return read


def _length(value: int) -> bytes:
    coded = b""
    while value > 0x7F:
        coded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return coded + bytes([value])


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


def _text_of(body: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(body[:2], "big")
    return body[2:end].decode(), body[end:]


def _packed(kind: int, values: dict[str, Any]) -> bytes:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return bytes(properties.pack())  # type: ignore[no-untyped-call]


@contextmanager
def strict(**names: int | str) -> Iterator[StrictBroker]:
    """A strict broker that serves while the context lasts."""
    with StrictBroker(**names) as broker:
        yield broker
