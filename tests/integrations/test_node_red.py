"""The flow for Node-RED runs in a real Node-RED: `make node-red`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edged.mailbox import Mailbox
from tests.mosquitto import Broker, Listener, broker, brokers, free_port, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, result
from tests.ports.mqtt.test_port import mqtt_to
from tests.receipts import shortened

__all__ = ["broker", "brokers"]

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "docs" / "examples" / "node-red.json"
RECEIPTS = FLOW.with_name("node-red-receipts.json")
PROGRAM = ROOT / "build" / "node-red" / "node_modules" / "node-red" / "red.js"
SET = "edged/porch/output/lamp/set"

SETTINGS = """
module.exports = { contextStorage: {
    default: { module: "memory" }, file: { module: "localfilesystem", config: { flushInterval: 1 } }
} };
"""
"""As docs/integrations.md says."""

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="needs make node-red"),
    pytest.mark.timeout(180),
]


@contextmanager
def node_red(flow: Path, broker: Broker, folder: Path) -> Iterator[None]:
    """Node-RED with a flow, connected to the broker. What it says every 30 s comes every second."""
    text = flow.read_text().replace('"port": "1883"', f'"port": "{broker.port}"')
    (folder / "flow.json").write_text(text.replace('"repeat": "30"', '"repeat": "1"'))
    (folder / "settings.js").write_text(SETTINGS)
    log = folder / "node-red.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["node", PROGRAM, "--userDir", folder, "--port", str(free_port()), "flow.json"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: "Connected to broker" in log.read_text(), 120.0)
            assert not re.search("error|unknown", log.read_text(), re.I), log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_the_lamp_follows_new_events_of_the_rule_and_each_once(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        node_red(FLOW, broker, tmp_path),
        Listener(broker.port, SET) as lamp,
        RecordedPort(mqtt_to(broker), tmp_path, Mailbox()) as port,
    ):
        wait_until(lambda: port.live)
        # A retained message would be there at once; wait for a subscription by what it does.
        port.write(result(1, events=(event(),)))
        assert lamp.next().payload == b"ON"
        again = json.loads(port.journal.newest(1) or b"")
        for unwanted in ({}, {"number": 7, "replayed": True}, {"number": 8, "rule": "dog"}):
            lamp.send("edged/porch/event", json.dumps({**again, **unwanted}))
        lamp.send("edged/porch/event", json.dumps({"type": "gap", "first": 9, "last": 9}))
        port.write(result(2, active=False, events=(event(active=False),)))
        assert lamp.next().payload == b"OFF"


def test_every_event_comes_once_and_in_order_also_if_the_broker_forgets(
    broker: Broker, tmp_path: Path
) -> None:
    with shortened(), RecordedPort(mqtt_to(broker), tmp_path, Mailbox()) as port:
        # Node-RED starts with the first event that it hears.
        wait_until(lambda: port.live)
        with node_red(RECEIPTS, broker, tmp_path):
            with Listener(broker.port, "archive/porch", "edged/porch/receipt/node-red") as heard:
                port.write(result(1, events=(event(1),)))
                assert json.loads(heard.next("archive/porch").payload)["number"] == 1
                assert heard.next("edged/porch/receipt/node-red").payload == b"1"
            broker.stop()
            port.write(result(2, events=(event(2),)))
            broker.start()
            with Listener(broker.port, "archive/porch") as heard:
                # Perhaps the broker had it, and forgot it before Node-RED was there.
                port.write(result(3, events=(event(3),)))
                numbers = [json.loads(heard.next("archive/porch").payload)["number"]]
                while numbers[-1] < 3:
                    numbers.append(json.loads(heard.next("archive/porch").payload)["number"])
            assert numbers in ([2, 3], [3])
        wait_until(lambda: "3" in _kept(tmp_path))


def _kept(folder: Path) -> str:
    """What Node-RED has on its disk."""
    return "".join(path.read_text() for path in (folder / "context").rglob("*.json"))
