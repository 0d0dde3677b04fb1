"""A real broker for tests on a free port of the loopback, and a listener to it.

It is mosquitto; where that is not installed, or with ``TEST_BROKER=embedded`` in the environment,
the broker of `edged.broker`, and tests that need more than its MQTT 3.1.1 are skipped.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LIMIT_S = 30.0
"""How long a test waits for what must come; generous, for slow and busy machines."""


def mosquitto() -> str | None:
    """The program, where it is to be used; Debian keeps it outside an ordinary user's PATH."""
    if os.environ.get("TEST_BROKER") == "embedded":
        return None
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def needs_mosquitto(what: str) -> pytest.MarkDecorator:
    """Skips a test of `what`, which the embedded broker does not do."""
    return pytest.mark.skipif(
        mosquitto() is None, reason=f"{what}: only with mosquitto (apt install mosquitto)"
    )


MQTT_5 = needs_mosquitto("MQTT 5")
VERSIONS = pytest.mark.parametrize("version", ["3.1.1", pytest.param("5", marks=MQTT_5)])


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at present."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Return when `true()` is; fail when it is not within the limit."""
    give_up_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.01)


class Broker:
    """A broker that runs as a child; `stop` and `start` are a restart on the same port.

    ``protocol`` is the newest version of MQTT that it speaks.
    """

    def __init__(self, port: int, protocol: Literal["3.1.1", "5"], command: list[str]) -> None:
        self.port = port
        self.protocol = protocol
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # The embedded broker ends with its standard input.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"ended at once: {self._command}"
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=LIMIT_S)
            self._process = None


class Listener:
    """A client that collects what comes, in order.

    With a ``client_id`` its session, of MQTT 3.1.1, persists: a broker that persists too keeps for
    it what comes while it is away.
    """

    def __init__(
        self,
        port: int,
        *topics: str,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
        client_id: str = "",
        **connect: Any,
    ) -> None:
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            clean_session=False if client_id else None,
        )
        subscribed: list[int] = []
        self.client.on_subscribe = lambda *_: subscribed.append(1)
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.connect("127.0.0.1", port, **connect)
        self.client.loop_start()
        if topics:
            self.client.subscribe([(topic, 1) for topic in topics])
            wait_until(lambda: subscribed)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        # Held by nobody, it closes its own sockets at once.
        self.client.on_message = None

    def next(self, topic: str | None = None) -> MQTTMessage:
        """The next message, or the next on `topic` (others before it are dropped)."""
        give_up_s = time.monotonic() + LIMIT_S
        while True:
            message = self.messages.get(timeout=max(0.0, give_up_s - time.monotonic()))
            if topic is None or message.topic == topic:
                return message

    def send(
        self,
        topic: str,
        payload: str | bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish with QoS 1, and return when the broker has it. A response topic is MQTT 5."""
        properties = None
        if response_topic is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = response_topic
            if correlation is not None:
                properties.CorrelationData = correlation
        sent = self.client.publish(topic, payload, 1, retain, properties)
        sent.wait_for_publish(LIMIT_S)


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Makes and starts brokers; ends them after the test.

    A broker lets everybody in, or has the given lines as mosquitto's configuration: a test that
    gives lines says with `needs_mosquitto` what for.
    """
    started: list[Broker] = []

    def start(*lines: str) -> Broker:
        port, program = free_port(), mosquitto()
        if program is None:
            assert not lines, "the embedded broker cannot be configured"
            pytest.importorskip("amqtt", reason="needs mosquitto, or amqtt of the extra 'demo'")
            broker = Broker(port, "3.1.1", [sys.executable, "-m", "edged.broker", str(port)])
        else:
            config = tmp_path / f"mosquitto-{port}.conf"
            lines = lines or ("allow_anonymous true",)
            config.write_text("\n".join([f"listener {port} 127.0.0.1", "user root", *lines, ""]))
            broker = Broker(port, "5", [program, "-c", str(config)])
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def broker(brokers: Callable[..., Broker]) -> Broker:
    """A broker that lets everybody in."""
    return brokers()
