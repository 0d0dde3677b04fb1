"""A real broker for tests: mosquitto on a free port of the loopback, and a listener to it."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LIMIT_S = 30.0
"""How long a test waits for what must come; generous, for slow and busy machines."""


def executable() -> str | None:
    """Where mosquitto is; Debian keeps it outside an ordinary user's PATH."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


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


class Mosquitto:
    """One broker; `stop` and `start` are a restart with the same port and state."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ("allow_anonymous true",)) -> None:
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines, ""])
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = executable()
        assert command is not None
        self._process = subprocess.Popen(
            [command, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended; look at its configuration"
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LIMIT_S)
            self._process = None


class Listener:
    """A client that collects what comes, in order.

    With a ``client_id`` its session persists: a broker that persists too keeps for it what comes
    while it is away.
    """

    def __init__(
        self,
        port: int,
        *topics: str,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        client_id: str = "",
        **connect: Any,
    ) -> None:
        self.messages: queue.Queue[MQTTMessage] = queue.Queue()
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311 if client_id else protocol,
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
        """Publish with QoS 1, and return when the broker has it."""
        properties = None
        if response_topic is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = response_topic
            if correlation is not None:
                properties.CorrelationData = correlation
        sent = self.client.publish(topic, payload, 1, retain, properties)
        sent.wait_for_publish(LIMIT_S)


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes and starts brokers with given lines of configuration; ends them after the test."""
    if executable() is None:
        pytest.skip("mosquitto is not installed: apt install mosquitto")
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        broker = Mosquitto(tmp_path, lines or ("allow_anonymous true",))
        broker.start()
        started.append(broker)
        return broker

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def broker(brokers: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that lets everybody in."""
    return brokers()
