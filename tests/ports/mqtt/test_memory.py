"""What an installation remembers of the broker: its own name there, and what it left retained."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import Config, MqttConfig
from edged.core import OutputState
from edged.mailbox import Mailbox
from edged.ports.mqtt import memory as module
from edged.ports.mqtt.memory import Memory
from tests.mosquitto import MQTT_5, Broker, Listener, broker, brokers, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, result
from tests.ports.mqtt.strict_broker import strict
from tests.ports.mqtt.test_port import mqtt_to
from tests.ports.mqtt.test_strict_broker import mqtt_to as mqtt_to_strict

__all__ = ["broker", "brokers"]

LAMP, HEATER = (f"edged/porch/output/{name}/state" for name in ("lamp", "heater"))
IMAGE = "edged/porch/image"


def test_an_installation_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()

    def name(folder: str) -> str:
        with RecordedPort(MqttConfig(port=1), tmp_path / folder, Mailbox()) as port:
            return port._connection._client_id

    assert name("one") == name("one")
    assert name("one") != name("two")
    assert name("one").startswith("edged-porch-")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"client_id": 3}', b"\xff"])
def test_a_memory_that_is_damaged_is_begun_anew_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    path = tmp_path / "memory"
    path.write_bytes(text)
    memory = Memory(path, "porch")
    memory.save()
    assert Memory(path, "porch").client_id == memory.client_id
    assert len(caplog.messages) == 1


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "memory", "porch")
    memory.save()
    memory.save()
    assert len(caplog.messages) == 1
    assert f"{tmp_path}/file/memory cannot be written: " in caplog.messages[0]


def test_what_a_disk_has_not_taken_is_saved_when_it_does_and_its_next_failure_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("")
    memory = Memory(blocked / "edged" / "memory", "porch")
    memory.save()
    blocked.unlink()
    memory.save()
    assert Memory(blocked / "edged" / "memory", "porch").client_id == memory.client_id
    (blocked / "edged" / "memory").unlink()
    (blocked / "edged").rmdir()
    (blocked / "edged").write_text("")
    memory.retain(["a"])
    memory.save()
    assert len(caplog.messages) == 2


def test_the_first_run_has_nothing_to_read_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory(tmp_path / "memory", "porch")
    assert re.fullmatch(r"edged-porch-[0-9a-f]{8}", memory.client_id)
    assert (memory.retained, memory.heard_s, caplog.messages) == ([], -math.inf, [])
    memory.save()
    again = Memory(tmp_path / "memory", "porch")
    assert (again.client_id, again.heard_s) == (memory.client_id, -math.inf)


def test_a_memory_of_another_release_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text('{"client_id": "porch-1", "later": 1}')
    memory = Memory(tmp_path / "memory", "porch")
    assert (memory.client_id, memory.retained, memory.heard_s) == ("porch-1", [], -math.inf)


def saved(path: Path, memory: Memory) -> bool:
    """Whether there was something new to write."""
    path.unlink(missing_ok=True)
    memory.save()
    return path.exists()


def test_only_what_is_new_is_written(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    memory = Memory(path, "porch")
    assert saved(path, memory)
    assert not saved(path, memory)
    memory.retain(["a", "b"])
    assert saved(path, memory)
    memory.retain(["b", "a"])
    memory.forget("c")
    assert not saved(path, memory)
    memory.forget("a")
    assert saved(path, memory)
    memory.heard(5.0)
    assert saved(path, memory)
    memory.heard(5.0)
    memory.heard(4.0)
    assert not saved(path, memory)
    assert (memory.retained, memory.heard_s) == (["b"], 5.0)
    memory.retain(["c"])
    memory.retain([])
    memory.forget("a")
    assert saved(path, memory)
    memory.heard(6.0)
    memory.heard(5.0)
    assert saved(path, memory)
    assert Memory(path, "porch").retained == ["b", "c"]


def test_what_was_read_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    Memory(path, "porch").save()
    assert not saved(path, Memory(path, "porch"))


def test_a_boot_without_a_name_is_like_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOOT_ID", tmp_path / "none")
    memory = Memory(tmp_path / "memory", "porch")
    memory.heard(1234.5)
    memory.save()
    again = Memory(tmp_path / "memory", "porch")
    assert (again.client_id, again.heard_s) == (memory.client_id, -math.inf)


def test_without_a_file_it_knows_for_this_run_alone() -> None:
    memory = Memory(None, "porch")
    memory.retain(["a"])
    memory.save()
    assert memory.retained == ["a"]


def test_when_the_broker_was_there_is_known_until_the_next_boot(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    memory = Memory(path, "porch")
    memory.heard(1234.5)
    memory.save()
    assert Memory(path, "porch").heard_s == 1234.5
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot_id": "another"}))
    assert Memory(path, "porch").heard_s == -math.inf


def retained_at(broker: Broker, *topics: str) -> dict[str, bytes]:
    """What a broker keeps of these topics."""
    with Listener(broker.port, *topics, "end") as listener:
        listener.send("end", "")
        kept = {}
        while (message := listener.next()).topic != "end":
            kept[message.topic] = message.payload
    return kept


def run_with(broker: Broker, folder: Path, *outputs: str, **options: Any) -> None:
    with RecordedPort(mqtt_to(broker, **options), folder, Mailbox(), outputs) as port:
        for name in outputs:
            port.write(OutputState(name, 1.0, 0.0))
        # Of what happens without a connection there is no picture.
        wait_until(lambda: port.live)
        port.write(result(events=(event(),)))
        wait_until(lambda: port.live and not port._left_to_do())


@pytest.mark.parametrize("protocol", ["3.1.1", pytest.param("5", marks=MQTT_5)])
def test_the_retained_state_of_an_output_that_is_gone_is_emptied(
    broker: Broker, tmp_path: Path, protocol: str
) -> None:
    run_with(broker, tmp_path, "lamp", "heater", protocol=protocol)
    assert set(retained_at(broker, LAMP, HEATER)) == {LAMP, HEATER}
    run_with(broker, tmp_path, "lamp", protocol=protocol)
    wait_until(lambda: set(retained_at(broker, LAMP, HEATER)) == {LAMP})
    assert HEATER not in Memory(tmp_path / "events.db.mqtt", "porch").retained


def test_with_another_prefix_nothing_is_left_under_the_old_one(
    broker: Broker, tmp_path: Path
) -> None:
    run_with(broker, tmp_path, "lamp")
    run_with(broker, tmp_path, "lamp", prefix="home")
    wait_until(lambda: retained_at(broker, "edged/#") == {})
    assert "home/porch/output/lamp/state" in retained_at(broker, "home/#")


def test_what_the_broker_did_not_confirm_is_emptied_at_the_next_connection(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path / "events.db.mqtt", "porch")
    memory.retain([HEATER])
    memory.save()
    with strict() as broker:
        broker.puback = lambda topic: None if topic == HEATER else 0
        with RecordedPort(mqtt_to_strict(broker), tmp_path, Mailbox()) as port:
            assert broker.next(HEATER).payload == b""
            assert HEATER in port._memory.retained
            broker.puback = lambda _: 0
            broker.cut()
            emptied = broker.next(HEATER)
            assert (emptied.payload, emptied.qos, emptied.retain) == (b"", 1, True)
            wait_until(lambda: HEATER not in port._memory.retained)


def test_what_is_refused_to_be_emptied_stays_known(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "events.db.mqtt", "porch")
    memory.retain([HEATER])
    memory.save()
    with strict() as broker:
        broker.puback = lambda topic: 0x87 if topic == HEATER else 0
        with RecordedPort(mqtt_to_strict(broker), tmp_path, Mailbox()) as port:
            broker.next(HEATER)
            wait_until(lambda: any(HEATER in line for line in port._problems.lines()))
    assert HEATER in Memory(tmp_path / "events.db.mqtt", "porch").retained


@pytest.mark.parametrize("retain", [False, True])
def test_a_picture_is_there_for_who_comes_later_where_that_is_wanted(
    broker: Broker, tmp_path: Path, retain: bool
) -> None:
    run_with(broker, tmp_path, image="event", image_retain=retain)
    assert bool(retained_at(broker, IMAGE)) == retain


def test_a_picture_that_is_to_be_kept_no_longer_is_emptied_at_a_reload(
    broker: Broker, tmp_path: Path
) -> None:
    config = mqtt_to(broker, image="event", image_retain=True)
    with RecordedPort(config, tmp_path, Mailbox()) as port:
        port.write(result(events=(event(),)))
        wait_until(lambda: port.live)
        wait_until(lambda: IMAGE in retained_at(broker, IMAGE))
        kept_no_longer = mqtt_to(broker, image="event", image_retain=False)
        port.reconfigure(Config(device="porch", mqtt=kept_no_longer))
        wait_until(lambda: retained_at(broker, IMAGE) == {})
