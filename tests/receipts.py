"""A broker that is killed and forgets, and a consumer that says what it has."""

from __future__ import annotations

import importlib.util
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edged.config.schema import MqttConfig
from edged.mailbox import Mailbox
from edged.ports.mqtt import receipts
from tests.mosquitto import Broker, free_port, mosquitto
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, result

CONSUMER = Path(__file__).parent.parent / "docs" / "examples" / "consumer.py"


def consumer_module() -> Any:
    """The example of the documentation."""
    spec = importlib.util.spec_from_file_location("consumer", CONSUMER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scene:
    """A port that makes events, a broker without a memory, and a consumer with a file.

    The times of receipts are shortened, so that many kills fit into a test.
    """

    def __init__(self, folder: Path) -> None:
        self.made = 0
        self.got: list[int] = []
        program = mosquitto()
        assert program is not None
        port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n"
        )
        self.broker = Broker(port, "5", [program, "-c", str(config)])
        self.broker.start()
        mqtt = MqttConfig(
            enabled=True,
            host="127.0.0.1",
            port=port,
            retry_min_s=0.05,
            retry_max_s=0.2,
        )
        self.port = RecordedPort(mqtt, folder, Mailbox())
        module = consumer_module()
        module.RECEIPT_S = module.SOON_S = 0.2
        self.consumer = module.Consumer(
            "porch", "archive", folder / "last", self._handle, everything=True
        )
        self.consumer._client.reconnect_delay_set(1, 1)
        self._thread = threading.Thread(
            target=self.consumer.run, args=("127.0.0.1", port), daemon=True
        )
        self._thread.start()

    def _handle(self, said: dict[str, Any]) -> None:
        self.got.append(said["number"])

    def make(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            self.port.write(result(self.made, events=(event(self.made),)))

    def kill_broker(self) -> None:
        """At once, with all that it knew."""
        process = self.broker._process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        self.broker.stop()
        self.broker.start()

    def all_came(self, limit_s: float = 60.0) -> bool:
        give_up_s = time.monotonic() + limit_s
        while len(self.got) < self.made and time.monotonic() < give_up_s:
            time.sleep(0.05)
        return self.got == [*range(1, self.made + 1)]

    def end(self) -> None:
        self.consumer.stop()
        self._thread.join(10.0)
        self.broker.stop()


@contextmanager
def shortened() -> Iterator[None]:
    """The times of receipts are tenths of a second."""
    before = receipts.SETTLED_S, receipts.AGAIN_MIN_S, receipts.AGAIN_MAX_S
    receipts.SETTLED_S, receipts.AGAIN_MIN_S, receipts.AGAIN_MAX_S = 0.1, 0.2, 1.0
    try:
        yield
    finally:
        receipts.SETTLED_S, receipts.AGAIN_MIN_S, receipts.AGAIN_MAX_S = before


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """With the times of receipts shortened."""
    made = Scene(folder)
    try:
        with shortened(), made.port:
            yield made
    finally:
        made.end()


def torment(made: Scene, kills: int, chance: random.Random) -> Iterator[int]:
    """Kill the broker so many times among events; the number of kills so far.

    Half of the kills wait until the port is connected and has nothing left to send.
    """
    for number in range(kills):
        if chance.random() < 0.5:
            give_up_s = time.monotonic() + 5.0
            while not made.port.live and time.monotonic() < give_up_s:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 1.0))
        for _ in range(chance.randrange(1, 6)):
            made.make(chance.randrange(1, 5))
            time.sleep(chance.uniform(0.0, 0.03))
        made.kill_broker()
        yield number + 1
