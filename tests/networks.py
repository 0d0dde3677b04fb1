"""A daemon behind a network with faults, and what it must do during each and after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.audience import Audience, made_broker
from tests.fault_proxy import Fault, FaultProxy, presenting, too_old
from tests.journal.made import reader, record, threadless
from tests.mosquitto import Listener, free_port
from tests.observed import Observed
from tests.pki import certificates

DAY_EVENTS = 1440
"""Of a day with one event a minute."""

SMALL_BYTES = 1500
"""The largest packet of the broker that accepts only small ones."""

CLIENT_ID = "sensor"

MQTT = """\
host = "127.0.0.1"
port = {port}
client_id = "{client_id}"
keepalive_s = 5
retry_min_s = 0.1
retry_max_s = 0.5
health_s = 0.5
classification_hz = 10.0
image = "event"
[mqtt.tls]
enabled = true
ca_file = "{pki}/ca.crt"
"""

DEEP = b"[" * 100_000
FLOOD = (
    b"",
    b"no command",
    b'{"command": "status"}',
    b'{"command": "set-output", "name": "bell", "value": 1e999}',
    bytes(range(256)),
    b'{"command": "' + b"a" * 20_000 + b'"}',
    DEEP,
)


class Scene:
    """The daemon, the proxy, two brokers (one accepts only small packets), and their audience."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.pki = folder / "pki"
        self.pki.mkdir()
        certificates(self.pki)
        self.broker = made_broker(folder)
        self.small = made_broker(folder, f"max_packet_size {SMALL_BYTES}")
        good = presenting(self.pki, "server")
        self.proxy = stack.enter_context(FaultProxy(free_port(), self.broker.port, good))
        lines = MQTT.format(port=self.proxy.port, client_id=CLIENT_ID, pki=self.pki)
        self.daemon = Observed(folder, lines)
        self.audience = stack.enter_context(Audience(self.daemon, self.broker, self.small))

    def wait_a_day(self) -> None:
        """The events of a day without a broker are in the journal. Before the daemon starts."""
        journal = threadless(self.daemon.state / "events.db", max_events=100_000)
        reader(journal)
        for _ in range(DAY_EVENTS // 60):
            record(journal, 60)
            journal.sync()
        journal.close()

    def restore(self) -> None:
        """The network as it should be."""
        proxy = self.proxy
        proxy.fault, proxy.target = "none", self.broker.port
        proxy.context = presenting(self.pki, "server")
        proxy.listen()
        proxy.cut()


def _network(fault: Fault) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        scene.proxy.fault = fault
        if fault == "not TLS":
            scene.proxy.listen()
        if fault != "half-open":
            scene.proxy.cut()
        yield

    return during


def _certificate(name: str) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        proxy = scene.proxy
        proxy.context = too_old(scene.pki) if name == "old" else presenting(scene.pki, name)
        proxy.listen()
        proxy.cut()
        yield

    return during


@contextmanager
def _refusing(scene: Scene) -> Iterator[None]:
    scene.proxy.refuse()
    scene.proxy.cut()
    yield


@contextmanager
def _small(scene: Scene) -> Iterator[None]:
    scene.proxy.target = scene.small.port
    scene.proxy.cut()
    yield


@contextmanager
def _again_and_again(work: Callable[[], None], every_s: float) -> Iterator[None]:
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(every_s):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _taken_over(scene: Scene) -> Iterator[None]:
    def take() -> None:
        rival = Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID)
        rival.connect("127.0.0.1", scene.broker.port)
        rival.loop()
        rival.disconnect()

    with _again_and_again(take, 0.3):
        yield


@contextmanager
def _flood(scene: Scene) -> Iterator[None]:
    with Listener(scene.broker.port) as client:
        topics = [f"edged/test/{name}" for name in ("command", "output/bell/set", "receipt/x")]

        def some() -> None:
            for topic in topics:
                for order in FLOOD[:-1]:
                    client.client.publish(topic, order, 0)

        with _again_and_again(some, 0.01):
            yield


@contextmanager
def _deep(scene: Scene) -> Iterator[None]:
    with Listener(scene.broker.port) as client:

        def some() -> None:
            for opening in (b"[", b'{"a":', b'{"command": [', b'{"id": {"a":'):
                for topic in ("edged/test/command", "homeassistant/status"):
                    client.client.publish(topic, opening * (100_000 // len(opening)), 0)

        with _again_and_again(some, 0.1):
            yield


@contextmanager
def _retained_rubbish(scene: Scene) -> Iterator[None]:
    topics = [
        *(f"edged/test/{name}" for name in ("command", "output/bell/set", "output/lamp/set")),
        *(f"edged/test/{name}" for name in ("state", "availability", "health", "receipt/x")),
        *(f"edged/test/{name}" for name in ("output/bell/state", "camera/availability")),
        *("homeassistant/status", "homeassistant/device/edged-test/config"),
    ]
    with Listener(scene.broker.port) as client:
        for topic in topics:
            client.send(topic, b"rubbish \x00 \xff" if "set" in topic else "rubbish", retain=True)
        scene.proxy.cut()
        yield
        for topic in topics:
            if topic.endswith(("command", "set", "receipt/x", "status")):
                client.send(topic, b"", retain=True)


FAULTS: Mapping[str, Callable[[Scene], AbstractContextManager[None]]] = {
    "slow": _network("slow"),
    "half-open": _network("half-open"),
    "refusing": _refusing,
    "rubbish instead of packets": _network("rubbish"),
    "packets are cut in the middle": _network("torn"),
    "rubbish instead of TLS": _network("not TLS"),
    "a certificate of another authority": _certificate("other"),
    "an expired certificate": _certificate("expired"),
    "only TLS 1.1": _certificate("old"),
    "the session is taken over 3 times a second": _taken_over,
    "packets are too large for the broker": _small,
    "retained rubbish on every topic": _retained_rubbish,
    "a flood of commands": _flood,
    "deep JSON": _deep,
}
DAY = "a day's events when the broker is back"


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """A daemon that starts without a broker, a day after it was last there."""
    with ExitStack() as stack:
        made = Scene(folder, stack)
        made.wait_a_day()
        made.proxy.refuse()
        made.daemon.start()
        stack.callback(made.daemon.running.stop)
        yield made
