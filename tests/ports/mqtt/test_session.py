"""One client of the network library: what the broker is told of it, and how its end is noticed."""

from __future__ import annotations

import gc
import logging
import math
import queue
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import LogLevel

from edged.config.schema import MqttConfig
from edged.core import OutputState
from edged.mailbox import Mailbox
from edged.ports.mqtt import connection
from edged.ports.mqtt.connection import Callbacks, Connection
from edged.ports.mqtt.session import Session
from tests.mosquitto import (
    LIMIT_S,
    VERSIONS,
    Broker,
    Listener,
    broker,
    brokers,
    free_port,
    wait_until,
)
from tests.ports.mqtt.recorded import RecordedPort

__all__ = ["broker", "brokers"]

AVAILABILITY = "edged/porch/availability"


def nothing(*_: object) -> None:
    pass


class Client:
    """A session, connected and answered, and what it was told."""

    def __init__(self, broker: Broker, version: str = "3.1.1", **mqtt: Any) -> None:
        self.acknowledged: queue.Queue[int] = queue.Queue()
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self.news = threading.Event()
        callbacks = Callbacks(
            up=nothing,
            down=nothing,
            acknowledged=self.acknowledged.put,
            message=self.messages.put,
        )
        config = MqttConfig(host="127.0.0.1", port=broker.port, **mqtt)
        self.session = Session(
            config, "porch", AVAILABILITY, callbacks, self.news, v5=version == "5"
        )
        self.session.connect("127.0.0.1", broker.port, LIMIT_S)
        self.session.start()
        answer = self.session.answer(LIMIT_S)
        assert answer is not None
        assert not answer.is_failure

    def cut(self) -> None:
        """As a cable that is pulled: the broker gets no goodbye."""
        wire = self.session._client.socket()
        assert wire is not None
        wire.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(*arguments: Any, **options: Any) -> Client:
        made.append(Client(*arguments, **options))
        return made[-1]

    yield make
    for client in made:
        client.session.close()


@VERSIONS
def test_who_comes_after_the_connection_has_died_reads_that_it_is_offline(
    broker: Broker, clients: Callable[..., Client], version: str
) -> None:
    client = clients(broker, version)
    client.session.say(b"online")
    with Listener(broker.port, AVAILABILITY) as listener:
        assert listener.next().payload == b"online"
        client.cut()
        assert listener.next().payload == b"offline"
    with Listener(broker.port, AVAILABILITY) as later:
        message = later.next()
        assert (message.payload, message.retain) == (b"offline", True)


def test_who_comes_later_reads_that_it_is_online_or_was_told_goodbye(
    broker: Broker, clients: Callable[..., Client]
) -> None:
    session = clients(broker).session
    for state, say in ((b"online", lambda: session.say(b"online").wait_for_publish(LIMIT_S)),
                       (b"offline", lambda: session.part(LIMIT_S))):  # fmt: skip
        say()
        with Listener(broker.port, AVAILABILITY) as later:
            message = later.next()
            assert (message.payload, message.retain, message.qos) == (state, True, 1)


def test_a_connection_that_is_cut_is_news_with_its_reason(
    broker: Broker, clients: Callable[..., Client]
) -> None:
    client = clients(broker)
    assert not client.session.lost
    broker.stop()
    assert client.news.wait(LIMIT_S)
    assert client.session.lost
    assert client.session.reason == "the broker or the network closed it"
    assert client.session.publish("edged/x", b"") is None


@VERSIONS
def test_what_is_subscribed_comes_and_what_is_sent_is_acknowledged(
    broker: Broker, clients: Callable[..., Client], version: str
) -> None:
    client = clients(broker, version)
    client.session.subscribe(["edged/porch/command", "edged/porch/output/+/set"])
    with Listener(broker.port, "edged/porch/event") as listener:
        sent = client.session.publish("edged/porch/event", b"one", 1)
        assert sent is not None
        assert client.acknowledged.get(timeout=LIMIT_S) == sent.mid
        assert listener.next().payload == b"one"
        listener.send("edged/porch/output/lamp/set", b"ON")
        message = client.messages.get(timeout=LIMIT_S)
        assert (message.topic, message.payload, message.qos) == (
            "edged/porch/output/lamp/set",
            b"ON",
            1,
        )


def test_each_message_waits_for_its_turn(
    broker: Broker, clients: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: queue.Queue[None] = queue.Queue()
    client = clients(broker)
    monkeypatch.setattr(client.session._brake, "take", lambda: turns.put(None))
    client.session.subscribe(["some/topic"])
    for _ in range(3):
        client.session.publish("some/topic", b"x", 1)
    for _ in range(3):
        turns.get(timeout=LIMIT_S)


def test_the_networks_thread_is_started_once(
    broker: Broker, clients: Callable[..., Client]
) -> None:
    assert clients(broker).session.start() is False


def test_without_an_answer_there_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = MqttConfig(host="127.0.0.1", port=port)
        callbacks = Callbacks(up=nothing, down=nothing, acknowledged=nothing, message=nothing)
        session = Session(config, "porch", AVAILABILITY, callbacks, threading.Event(), v5=False)
        session.connect("127.0.0.1", port, LIMIT_S)
        session.start()
        assert session.answer(0.01) is None
        session.close()


# With its thread the library opens its pair of sockets again; the collector closes the first.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_dead_thread_of_the_network_is_noticed_and_another_connection_made(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "ALIVE_CHECK_S", 0.02)
    monkeypatch.setattr(threading, "excepthook", nothing)
    ups: queue.Queue[int] = queue.Queue()
    downs: queue.Queue[None] = queue.Queue()
    messages: queue.Queue[MQTTMessage] = queue.Queue()

    def take(message: MQTTMessage) -> None:
        messages.put(message)
        if message.payload == b"poison":
            raise RuntimeError("the end of the library's thread")

    callbacks = Callbacks(
        up=ups.put, down=lambda: downs.put(None), acknowledged=nothing, message=take
    )
    config = MqttConfig(
        host="127.0.0.1", port=broker.port, retry_min_s=0.02, retry_max_s=0.02,
        session_expiry_s=0,
    )  # fmt: skip
    topics = ["edged/porch/command"]
    kept = Connection(config, "porch", AVAILABILITY, topics, callbacks, heard_s=-math.inf)
    with caplog.at_level(logging.WARNING), Listener(broker.port) as sender:
        kept.start()
        try:
            ups.get(timeout=LIMIT_S)
            assert kept.up

            def heard() -> bool:
                # Again and again: the subscription takes effect a little later.
                sender.send("edged/porch/command", b"well")
                return not messages.empty()

            wait_until(heard)
            assert downs.empty()
            sender.send("edged/porch/command", b"poison")
            downs.get(timeout=LIMIT_S)
            ups.get(timeout=LIMIT_S)
            wait_until(lambda: kept.up)
        finally:
            kept.stop()
    gc.collect()
    told = [message for message in caplog.messages if "gave up" in message]
    assert told == [f"MQTT broker {kept.broker}: the network library gave up; trying again"]


def test_the_state_of_an_output_is_kept_by_the_broker_for_who_comes_later(
    broker: Broker, tmp_path: Path
) -> None:
    config = MqttConfig(host="127.0.0.1", port=broker.port, protocol=broker.protocol)
    with RecordedPort(config, tmp_path, Mailbox(), ["lamp"]) as port:
        wait_until(lambda: port.live)
        port.write(OutputState("lamp", 1.0, 0.0))
        with Listener(broker.port, "edged/porch/output/lamp/state") as first:
            first.next()
        with Listener(broker.port, "edged/porch/output/lamp/state") as later:
            assert later.next().retain


def greeting(version: str, **mqtt: Any) -> bytes:
    """The first packet of a session, as the broker gets it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        port = server.getsockname()[1]
        callbacks = Callbacks(up=nothing, down=nothing, acknowledged=nothing, message=nothing)
        session = Session(
            MqttConfig(host="127.0.0.1", port=port, **mqtt),
            "porch",
            AVAILABILITY,
            callbacks,
            threading.Event(),
            v5=version == "5",
        )
        session.connect("127.0.0.1", port, LIMIT_S)
        session.start()
        client, _ = server.accept()
        with client:
            packet = client.recv(1024)
        session.close()
    return packet


@pytest.mark.parametrize(
    ("version", "expiry_s", "clean"),
    [("3.1.1", 0, 0x02), ("3.1.1", 86400, 0x02), ("5", 0, 0x02), ("5", 86400, 0x00)],
)
def test_the_greeting_has_a_retained_will_of_qos_1_and_a_session_as_long_as_configured(
    version: str, expiry_s: int, clean: int
) -> None:
    packet = greeting(version, session_expiry_s=expiry_s, keepalive_s=77)
    place = packet.index(b"MQTT") + 5
    # MQTT 5, 3.1.2.3: will retain 0x20, will QoS 0x08 for 1, will 0x04, clean start 0x02.
    assert packet[place] == 0x20 | 0x08 | 0x04 | clean
    assert int.from_bytes(packet[place + 1 : place + 3], "big") == 77
    assert b"porch" in packet
    assert AVAILABILITY.encode() + b"\x00\x07offline" in packet
    if version == "5":
        # A length, then the property Session Expiry Interval.
        assert packet[place + 3 : place + 9] == b"\x05\x11" + expiry_s.to_bytes(4, "big")


def test_who_has_a_name_gives_it_with_the_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame")
    packet = greeting("5", username="ali", password_file=str(tmp_path / "password"))
    assert packet[packet.index(b"MQTT") + 5] & 0xC0 == 0xC0
    assert packet.endswith(b"\x00\x03ali\x00\x0bopen sesame")


def test_small_packets_are_sent_at_once(broker: Broker, clients: Callable[..., Client]) -> None:
    wire = clients(broker).session._client.socket()
    assert wire is not None
    assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_loss_has_the_reason_that_the_broker_gives() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        port = server.getsockname()[1]
        news = threading.Event()
        callbacks = Callbacks(up=nothing, down=nothing, acknowledged=nothing, message=nothing)
        config = MqttConfig(host="127.0.0.1", port=port)
        session = Session(config, "porch", AVAILABILITY, callbacks, news, v5=True)
        session.connect("127.0.0.1", port, LIMIT_S)
        session.start()
        wire, _ = server.accept()
        with wire:
            wire.recv(1024)
            # CONNACK with Receive Maximum 20, then DISCONNECT: Server shutting down.
            wire.sendall(b"\x20\x06\x00\x00\x03\x21\x00\x14")
            assert session.answer(LIMIT_S) is not None
            wire.sendall(b"\xe0\x02\x8b\x00")
            assert news.wait(LIMIT_S)
        session.close()
    assert session.receive_maximum == 20
    assert (session.lost, session.reason) == (True, "Server shutting down")


class Recorder:
    """The library's client, of which only calls are kept."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._fails = fails

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, *arguments, named) if named else (name, *arguments))
            if name == "wait_for_publish" and self._fails:
                raise RuntimeError("the connection is gone")
            if name == "publish":
                return SimpleNamespace(rc=0, mid=1, wait_for_publish=self.wait_for_publish)
            return None

        return call


def offline(version: str = "5", client: Any = None, **mqtt: Any) -> Session:
    """A session that has not been connected."""
    callbacks = Callbacks(up=nothing, down=nothing, acknowledged=nothing, message=nothing)
    config = MqttConfig(**mqtt)
    session = Session(
        config, "porch", AVAILABILITY, callbacks, threading.Event(), v5=version == "5"
    )
    session._client = client or session._client
    return session


def test_commands_are_subscribed_to_with_qos_1_and_without_those_that_are_retained() -> None:
    older, newer = Recorder(), Recorder()
    offline("3.1.1", older).subscribe(["a", "b"])
    assert older.calls == [("subscribe", [("a", 1), ("b", 1)])]
    offline("5", newer).subscribe(["a"])
    ((_, [(topic, options)], named),) = newer.calls
    assert (topic, options.QoS) == ("a", 1)
    assert named["properties"].SubscriptionIdentifier == [1]
    assert options.retainHandling == options.RETAIN_DO_NOT_SEND


@pytest.mark.parametrize("fails", [False, True])
def test_a_farewell_is_waited_for_and_may_fail(fails: bool) -> None:
    client = Recorder(fails=fails)
    offline(client=client).part(0.5)
    assert client.calls == [
        ("publish", AVAILABILITY, b"offline", 1, {"retain": True}),
        ("wait_for_publish", 0.5),
    ]


def test_a_session_that_is_closed_has_no_thread_any_more() -> None:
    client = Recorder()
    offline(client=client).close()
    assert client.calls == [("disconnect",), ("loop_stop",)]


def test_a_session_that_is_closed_leaves_no_client_to_the_garbage_collector(broker: Broker) -> None:
    client = Client(broker)
    library = weakref.ref(client.session._client)
    gc.collect()
    gc.disable()
    try:
        client.session.close()
        del client
        wait_until(lambda: library() is None)
    finally:
        gc.enable()


def test_what_is_published_is_neither_acknowledged_nor_retained_unless_asked_for() -> None:
    client = Recorder()
    offline("3.1.1", client).publish("a", b"x", correlation=b"unknown to MQTT 3")
    assert client.calls == [("publish", "a", b"x", 0, False, None)]


def test_connecting_has_a_limit_and_the_library_keeps_no_queue_of_its_own() -> None:
    session = offline()
    with pytest.raises(OSError, match="refused"):
        session.connect("127.0.0.1", free_port(), 1.5)
    assert session._client.connect_timeout == 1.5
    assert session._client.max_inflight_messages == 0


@pytest.mark.parametrize(
    ("answered", "logged", "told"),
    [
        (False, [], "the broker or the network closed it"),
        (False, [(LogLevel.MQTT_LOG_ERR, "TLS alert")], "TLS alert"),
        (False, [(LogLevel.MQTT_LOG_DEBUG, "ping")], "the broker or the network closed it"),
        (True, [(LogLevel.MQTT_LOG_ERR, "TLS alert")], "the broker or the network closed it"),
    ],
)
def test_until_the_broker_answers_the_library_knows_best_why_it_ended(
    answered: bool, logged: list[tuple[int, str]], told: str
) -> None:
    session = offline()
    client: Any = Recorder()
    code: Any = SimpleNamespace(getName=lambda: "Unspecified error")
    for level, line in logged:
        session._on_log(client, None, level, line)
    if answered:
        session._answer = code
    session._on_disconnect(client, None, code, code, None)
    assert (session.lost, session.reason) == (True, told)
