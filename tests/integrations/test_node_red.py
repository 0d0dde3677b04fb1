"""The flow for Node-RED runs in a real Node-RED: `make node-red`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.mailbox import Mailbox
from tests.mosquitto import Broker, Listener, broker, brokers, free_port, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, result
from tests.ports.mqtt.test_port import mqtt_to

__all__ = ["broker", "brokers"]

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "docs" / "examples" / "node-red.json"
PROGRAM = ROOT / "build" / "node-red" / "node_modules" / "node-red" / "red.js"
SET = "edged/porch/output/lamp/set"

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="needs make node-red"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def node_red(broker: Broker, tmp_path: Path) -> Iterator[None]:
    """Node-RED with the flow, connected to the broker."""
    text = FLOW.read_text().replace('"port": "1883"', f'"port": "{broker.port}"')
    (tmp_path / "flow.json").write_text(text)
    log = tmp_path / "node-red.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["node", PROGRAM, "--userDir", tmp_path, "--port", str(free_port()), "flow.json"],
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


@pytest.mark.usefixtures("node_red")
def test_the_lamp_follows_new_events_of_the_rule_and_each_once(
    broker: Broker, tmp_path: Path
) -> None:
    with (
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
