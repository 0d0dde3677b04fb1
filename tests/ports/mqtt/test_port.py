"""What a subscriber sees, through a real broker."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from edged.commands import Reply, Request, Resume, SetOutput, TakeSnapshot
from edged.config.schema import MqttConfig
from edged.core import (
    CAMERA,
    CameraChanged,
    CameraThere,
    Ended,
    Event,
    OutputState,
    Snapshot,
    Undecided,
)
from edged.mailbox import Mailbox
from edged.ports.mqtt import MqttPort
from tests.mosquitto import (
    MQTT_5,
    VERSIONS,
    Broker,
    Listener,
    broker,
    brokers,
    needs_mosquitto,
    wait_until,
)
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result

__all__ = ["broker", "brokers"]

V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5


def mqtt_to(broker: Broker, **options: Any) -> MqttConfig:
    """Configures a port of `broker` that tries again soon."""
    defaults = {
        "host": "127.0.0.1",
        "port": broker.port,
        "protocol": broker.protocol,
        "retry_min_s": 0.05,
        "retry_max_s": 0.2,
    }
    return MqttConfig(**{**defaults, **options})


class MakePort(Protocol):
    def __call__(self, **options: Any) -> MqttPort: ...


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def make_port(broker: Broker, mailbox: Mailbox, tmp_path: Path) -> Iterator[MakePort]:
    """Makes an entered and connected port of the device ``porch``; exits it after the test."""
    entered: list[MqttPort] = []

    def make(**options: Any) -> MqttPort:
        port = RecordedPort(mqtt_to(broker, **options), tmp_path, mailbox, ["lamp"])
        port.__enter__()
        entered.append(port)
        wait_until(lambda: port.live)
        return port

    yield make
    for port in entered:
        port.__exit__()


def read(message: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.payload)
    return decoded


@VERSIONS
def test_availability_is_retained_online_and_offline_after_a_clean_stop(
    broker: Broker, mailbox: Mailbox, tmp_path: Path, version: str
) -> None:
    with RecordedPort(mqtt_to(broker, protocol=version), tmp_path, mailbox) as port:
        wait_until(lambda: port.live)
        with Listener(broker.port, "edged/porch/availability") as first:
            # It may still be on its way.
            first.next()
        with Listener(broker.port, "edged/porch/availability") as late:
            message = late.next()
            assert (message.payload, message.retain) == (b"online", True)
    with Listener(broker.port, "edged/porch/availability") as late:
        message = late.next()
        assert (message.payload, message.retain) == (b"offline", True)


def test_the_broker_says_offline_for_a_process_that_was_killed(
    broker: Broker, tmp_path: Path
) -> None:
    code = (
        "import time\n"
        "from pathlib import Path\n"
        "from edged.config.schema import MqttConfig\n"
        "from edged.mailbox import Mailbox\n"
        "from tests.ports.mqtt.recorded import RecordedPort\n"
        f"mqtt = MqttConfig(host='127.0.0.1', port={broker.port}, protocol={broker.protocol!r})\n"
        f"with RecordedPort(mqtt, Path({str(tmp_path)!r}), Mailbox()):\n"
        "    time.sleep(600)\n"
    )
    with (
        Listener(broker.port, "edged/porch/availability") as listener,
        subprocess.Popen([sys.executable, "-c", code]) as process,
    ):
        assert listener.next().payload == b"online"
        os.kill(process.pid, signal.SIGKILL)
        assert listener.next().payload == b"offline"


@VERSIONS
def test_an_event_comes_once_with_qos_1_and_says_when(
    broker: Broker, make_port: MakePort, version: str
) -> None:
    with Listener(broker.port, "edged/porch/event") as listener:
        port = make_port(protocol=version)
        before_s = time.time()
        port.write(result(7, events=(event(7),)))
        port.write(result(8))
        port.write(result(9, events=(event(9, active=False),)))
        first, second = listener.next(), listener.next()
        said = read(first)
        assert (first.qos, first.retain) == (1, False)
        assert (said["rule"], said["active"], said["frame"]) == ("cat", True, 7)
        assert said["replayed"] is False
        onset, decided = (
            datetime.fromisoformat(said[key].replace("Z", "+00:00")) for key in ("onset", "decided")
        )
        assert (decided - onset).total_seconds() == pytest.approx(0.2, abs=1e-3)
        assert abs(decided.timestamp() - before_s) < 30.0
        assert (read(second)["active"], read(second)["frame"]) == (False, 9)
        assert read(second)["id"] != said["id"]


def test_the_state_is_retained_and_told_when_the_scene_or_a_rule_changes(
    broker: Broker, make_port: MakePort
) -> None:
    with Listener(broker.port, "edged/porch/state") as listener:
        port = make_port()
        assert read(listener.next())["reason"] == "edged has just started"
        for number, scene, active in [
            (1, "cat", True),
            (2, "cat", True),
            (3, "cat", False),
            (4, "nothing", False),
        ]:
            port.write(result(number, scene=scene, active=active))
            if number != 2:
                assert read(listener.next())["frame"] == number
        with Listener(broker.port, "edged/porch/state") as late:
            message = late.next()
            assert message.retain
            assert read(message)["scene"] == "nothing"
            assert read(message)["rules"]["cat"]["active"] is False


def test_what_happened_is_not_retained_for_who_comes_later(
    broker: Broker, make_port: MakePort
) -> None:
    passing = ["edged/porch/event", "edged/porch/classification", "edged/porch/health"]
    port = make_port(classification_hz=1000.0)

    def happen(number: int, listener: Listener) -> list[str]:
        port.write(result(number, events=(event(number),), captured_s=float(number)))
        port.write(health())
        messages = [listener.next() for _ in passing]
        assert [message.retain for message in messages] == [False] * len(passing)
        return sorted(message.topic for message in messages)

    with Listener(broker.port, *passing) as listener:
        assert happen(1, listener) == sorted(passing)
    with Listener(broker.port, *passing) as late:
        assert happen(2, late) == sorted(passing)


def test_a_broker_that_lost_its_memory_is_told_the_state_again(
    broker: Broker, make_port: MakePort
) -> None:
    port = make_port()
    port.write(result(5))
    port.write(OutputState("lamp", 1.0, time.monotonic()))
    broker.stop()
    broker.start()
    with Listener(broker.port, "edged/porch/#") as listener:
        topics = {listener.next().topic for _ in range(4)}
    assert topics == {
        "edged/porch/availability",
        "edged/porch/camera/availability",
        "edged/porch/state",
        "edged/porch/output/lamp/state",
    }


def test_each_connection_is_counted(broker: Broker, make_port: MakePort) -> None:
    port = make_port()
    assert (port.metrics().connected, port.metrics().connections) == (True, 1)
    broker.stop()
    wait_until(lambda: not port.metrics().connected)
    broker.start()
    wait_until(lambda: port.metrics().connections == 2)


def test_classifications_come_at_their_rate_and_best_first(
    broker: Broker, make_port: MakePort
) -> None:
    with Listener(broker.port, "edged/porch/classification") as listener:
        port = make_port(classification_hz=2.0, classification_top=2)
        told = []
        for number in range(31):
            port.write(result(number, captured_s=1000.0 + number * 0.1))
            if number % 5 == 0:
                told.append(read(listener.next()))
    assert [said["frame"] for said in told] == [0, 5, 10, 15, 20, 25, 30]
    assert [(best["label"], best["index"]) for best in told[0]["results"]] == [
        ("tabby", 1),
        ("goldfish", 2),
    ]


@needs_mosquitto("the sender's QoS")
def test_a_classification_may_get_lost(broker: Broker, make_port: MakePort) -> None:
    with Listener(broker.port, "edged/porch/classification") as listener:
        make_port().write(result())
        assert listener.next().qos == 0


def test_no_classification_is_sent_at_rate_0(broker: Broker, make_port: MakePort) -> None:
    with Listener(broker.port, "edged/porch/classification", "edged/porch/health") as listener:
        port = make_port(classification_hz=0.0)
        port.write(result())
        port.write(health())
        assert listener.next().topic == "edged/porch/health"


def test_health_tells_stage_times_memory_temperature_and_rate(
    broker: Broker, make_port: MakePort
) -> None:
    with Listener(broker.port, "edged/porch/health") as listener:
        make_port().write(health())
        said = read(listener.next())
    assert said["stages_ms"] == {"invoke": {"p50": 12.1, "p99": 14.9}}
    assert (said["fps"], said["memory_mb"], said["temperature_c"]) == (29.97, 81.2, None)


def test_an_output_tells_its_value(broker: Broker, make_port: MakePort) -> None:
    with Listener(broker.port, "edged/porch/output/lamp/state") as listener:
        make_port().write(OutputState("lamp", 0.25, time.monotonic()))
        listener.next()
        with Listener(broker.port, "edged/porch/output/lamp/state") as late:
            message = late.next()
    assert message.retain
    assert (read(message)["on"], read(message)["value"]) == (True, 0.25)


def test_no_picture_leaves_unless_it_was_asked_for(broker: Broker, make_port: MakePort) -> None:
    pytest.importorskip("edged.imaging.picture")
    with Listener(broker.port, "edged/porch/image") as listener:
        port = make_port()
        port.write(result(1, events=(event(),)))
        port.write(Snapshot(result(2), "a test"))
        assert bytes(listener.next().payload[:3]) == b"\xff\xd8\xff"
        port.write(result(3))
    assert listener.messages.empty()


@pytest.mark.parametrize(("when", "count"), [("event", 1), ("interval", 2)])
def test_pictures_come_with_events_or_at_an_interval_where_configured(
    broker: Broker, make_port: MakePort, when: str, count: int
) -> None:
    pytest.importorskip("edged.imaging.picture")
    with Listener(broker.port, "edged/porch/image") as listener:
        port = make_port(image=when, image_s=5.0)
        for number in range(10):
            events = (event(),) if number == 3 else ()
            port.write(result(number, events=events, captured_s=1000.0 + number))
            if number == (3 if when == "event" else 0) or (when == "interval" and number == 5):
                assert bytes(listener.next().payload[:3]) == b"\xff\xd8\xff"
                count -= 1
    assert count == 0
    assert listener.messages.empty()


@needs_mosquitto("sessions on disk")
@VERSIONS
def test_a_broker_that_is_away_loses_no_event_and_repeats_none(
    brokers: Callable[..., Broker], mailbox: Mailbox, tmp_path: Path, version: str
) -> None:
    broker = brokers(
        "allow_anonymous true", "persistence true", f"persistence_location {tmp_path}/"
    )
    mqtt = mqtt_to(broker, protocol=version)
    with (
        Listener(broker.port, "edged/porch/event", client_id="collector") as listener,
        RecordedPort(mqtt, tmp_path, mailbox) as port,
    ):
        wait_until(lambda: port.live)
        for number in range(5):
            port.write(result(number, events=(event(number),)))
        seen = [read(listener.next()) for _ in range(5)]
        broker.stop()
        wait_until(lambda: not port.live)
        for number in range(5, 45):
            port.write(result(number, events=(event(number),)))
        broker.start()
        wait_until(lambda: port.live)
        port.write(result(45, events=(event(45),)))
        while len(seen) < 46:
            message = listener.next()
            # The broker may repeat to us what our own acknowledgement was too late for.
            if not (message.dup and read(message) in seen):
                seen.append(read(message))
    assert [said["frame"] for said in seen] == list(range(46))
    assert [said["replayed"] for said in seen] == [False] * 5 + [True] * 40 + [False]
    assert [said["number"] for said in seen] == list(range(1, 47))
    assert [said["id"] for said in seen] == [f"porch-{number}" for number in range(1, 47)]


def test_events_outlive_the_process_when_the_broker_never_came(
    brokers: Callable[..., Broker], mailbox: Mailbox, tmp_path: Path
) -> None:
    broker = brokers()
    broker.stop()
    mqtt = mqtt_to(broker)
    with RecordedPort(mqtt, tmp_path, mailbox) as port:
        for number in range(3):
            port.write(result(number, events=(event(number),)))
    broker.start()
    with (
        Listener(broker.port, "edged/porch/event") as listener,
        RecordedPort(mqtt, tmp_path, mailbox),
    ):
        said = [read(listener.next()) for _ in range(3)]
    assert [(one["frame"], one["replayed"]) for one in said] == [(0, True), (1, True), (2, True)]


def test_numbers_that_a_crash_took_are_told_on_the_event_topic(
    broker: Broker, mailbox: Mailbox, tmp_path: Path
) -> None:
    mqtt = mqtt_to(broker)
    with RecordedPort(mqtt, tmp_path, mailbox) as port:
        wait_until(lambda: port.live)
        port.write(result(0, events=(event(0),)))
    (tmp_path / "events.db.mark").write_text("7\n")
    with (
        Listener(broker.port, "edged/porch/event") as listener,
        RecordedPort(mqtt, tmp_path, mailbox) as port,
    ):
        gap = read(listener.next())
        wait_until(lambda: port.live)
        port.write(result(1, events=(event(1),)))
        said = read(listener.next())
    assert (gap["type"], gap["first"], gap["last"], gap["reason"]) == ("gap", 2, 7, "crash")
    assert (said["type"], said["number"], said["replayed"]) == ("event", 8, False)


def test_a_torn_row_is_told_as_a_gap_and_the_rest_arrives(
    brokers: Callable[..., Broker], mailbox: Mailbox, tmp_path: Path
) -> None:
    broker = brokers()
    broker.stop()
    mqtt = mqtt_to(broker)
    with RecordedPort(mqtt, tmp_path, mailbox) as port:
        for number in range(3):
            port.write(result(number, events=(event(number),)))
    with closing(sqlite3.connect(tmp_path / "events.db")) as database, database:
        database.execute("UPDATE event SET payload = substr(payload, 1, 50) WHERE number = 2")
    broker.start()
    with (
        Listener(broker.port, "edged/porch/event") as listener,
        RecordedPort(mqtt, tmp_path, mailbox) as port,
    ):
        said = [read(listener.next()) for _ in range(3)]
        wait_until(lambda: port.live)
    assert [one["type"] for one in said] == ["event", "gap", "event"]
    assert (said[0]["number"], said[2]["number"]) == (1, 3)
    assert (said[1]["first"], said[1]["last"], said[1]["reason"]) == (2, 2, "damaged")


def test_a_wrong_address_is_one_line_and_stops_nothing(
    brokers: Callable[..., Broker],
    mailbox: Mailbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = brokers()
    broker.stop()
    mqtt = mqtt_to(broker, retry_min_s=0.01, retry_max_s=0.01)
    caplog.set_level(logging.INFO)
    with RecordedPort(mqtt, tmp_path, mailbox) as port:
        wait_until(lambda: caplog.records)
        for number in range(100):
            port.write(result(number, events=(event(number),)))
            time.sleep(0.001)
        assert [record.message for record in caplog.records] == [
            f"MQTT broker 127.0.0.1:{broker.port}: nothing listens there; check mqtt.host and "
            "mqtt.port; trying again"
        ]
        assert port.error == "nothing listens there; check mqtt.host and mqtt.port"
        broker.start()
        wait_until(lambda: port.live)
        assert port.error is None


@VERSIONS
def test_a_command_reaches_the_mailbox_and_its_answer_the_asker(
    broker: Broker, mailbox: Mailbox, make_port: MakePort, version: str
) -> None:
    protocol = V5 if version == "5" else V311
    make_port(protocol=version)
    with Listener(broker.port, "edged/porch/command/reply", protocol=protocol) as listener:
        listener.send("edged/porch/command", '{"command": "snapshot", "id": "x-1"}')
        request = _posted(mailbox)
        assert (request.command, request.publish) == (TakeSnapshot(id="x-1"), True)
        request.reply(Reply(result=result(4)))
        said = read(listener.next())
    assert (said["request"], said["id"], said["ok"]) == ("snapshot", "x-1", True)
    assert said["classification"]["results"][0]["label"] == "tabby"


@MQTT_5
def test_mqtt_5_askers_name_where_to_reply_and_get_their_correlation_back(
    broker: Broker, mailbox: Mailbox, make_port: MakePort
) -> None:
    make_port(protocol="5")
    with Listener(broker.port, "asker/1", protocol=V5) as listener:
        listener.send(
            "edged/porch/command", "pause", response_topic="asker/1", correlation=b"\x00\x01"
        )
        _posted(mailbox).reply(Reply())
        message = listener.next()
    assert getattr(message.properties, "CorrelationData", None) == b"\x00\x01"
    assert (read(message)["request"], read(message)["ok"]) == ("pause", True)


@MQTT_5
@pytest.mark.parametrize(
    "elsewhere",
    ["edged/porch/command", "edged/garage/command", "edged", "$SYS/x"],
)
def test_an_answer_never_goes_where_it_could_do_something(
    broker: Broker, mailbox: Mailbox, make_port: MakePort, elsewhere: str
) -> None:
    make_port(protocol="5")
    with Listener(broker.port, "edged/porch/command/reply", protocol=V5) as listener:
        listener.send("edged/porch/command", "resume", response_topic=elsewhere)
        _posted(mailbox).reply(Reply())
        assert read(listener.next())["request"] == "resume"
    assert mailbox.take() == []


def test_while_nothing_is_decided_the_retained_state_says_so(
    broker: Broker, make_port: MakePort
) -> None:
    with Listener(broker.port, "edged/porch/state") as listener:
        port = make_port()
        assert read(listener.next())["scene"] is None
        port.write(result(4, scene="cat"))
        assert read(listener.next())["scene"] == "cat"
        port.write(Undecided())
        state = read(listener.next())
        assert (state["scene"], state["rules"]) == (None, {})
        port.write(result(5, scene="cat"))
        assert read(listener.next())["scene"] == "cat"


def test_nothing_old_is_read_beside_online(broker: Broker, make_port: MakePort) -> None:
    with Listener(broker.port) as left:
        left.send("edged/porch/state", '{"scene": "cat"}', retain=True)
        left.send("edged/porch/camera/availability", "online", retain=True)
    with Listener(broker.port, "edged/porch/#") as listener:
        assert {listener.next().retain for _ in range(2)} == {True}
        make_port()
        told = [listener.next() for _ in range(3)]
    assert [message.topic for message in told[:2]] == [
        "edged/porch/state",
        "edged/porch/camera/availability",
    ]
    assert (read(told[0])["scene"], told[1].payload) == (None, b"offline")
    assert (told[2].topic, told[2].payload) == ("edged/porch/availability", b"online")


def test_the_camera_has_an_availability_of_its_own(broker: Broker, make_port: MakePort) -> None:
    with Listener(broker.port, "edged/porch/camera/availability") as listener:
        port = make_port()
        assert listener.next().payload == b"offline"
        port.write(result(1))
        assert listener.next().payload == b"online"
        port.write(Ended("camera", "the camera delivers no picture: unplugged"))
        assert listener.next().payload == b"offline"
        # Frames come, and nobody decides on them.
        port.write(CameraThere())
        assert listener.next().payload == b"online"
    with Listener(broker.port, "edged/porch/state") as late:
        assert read(late.next())["reason"] is None


def test_rules_that_end_without_a_frame_are_told_with_the_reason(
    broker: Broker, make_port: MakePort
) -> None:
    port = make_port()
    port.write(result(1, active=True))
    with Listener(broker.port, "edged/porch/event", "edged/porch/state") as listener:
        # What was retained before the first frame may come first.
        while not read(listener.next("edged/porch/state"))["rules"]:
            pass
        ended = msgspec.structs.replace(event(2, active=False), reason="camera")
        port.write(Ended("camera", "the camera delivers no picture: unplugged", (ended,)))
        told = {message.topic: read(message) for message in (listener.next(), listener.next())}
    assert told["edged/porch/event"]["reason"] == "camera"
    assert told["edged/porch/event"]["active"] is False
    assert told["edged/porch/state"]["rules"] == {}
    assert told["edged/porch/state"]["reason"] == "the camera delivers no picture: unplugged"


def test_a_fault_of_the_camera_is_told_and_changes_no_state(
    broker: Broker, make_port: MakePort
) -> None:
    port = make_port()
    with Listener(broker.port, "edged/porch/event") as listener:
        port.write(result(1, active=True))
        frozen = Event(CAMERA, True, 1.0, 1.0, 2.0, 0, cause="picture frozen")
        port.write(CameraChanged((frozen,)))
        told = read(listener.next())
    assert (told["rule"], told["active"], told["cause"]) == ("camera", True, "picture frozen")
    with Listener(broker.port, "edged/porch/state") as listener:
        assert read(listener.next())["rules"]["cat"]["active"]


def test_a_retained_command_does_not_act(
    broker: Broker, mailbox: Mailbox, make_port: MakePort
) -> None:
    with Listener(broker.port) as sender:
        sender.send("edged/porch/command", "pause", retain=True)
        make_port(protocol="3.1.1")
        sender.send("edged/porch/command", "resume")
        assert _posted(mailbox).command == Resume()


@needs_mosquitto("sessions of anonymous clients")
def test_a_command_sent_while_the_device_was_away_waits_in_its_session(
    broker: Broker, mailbox: Mailbox, make_port: MakePort
) -> None:
    port = make_port()
    port.__exit__()
    with Listener(broker.port) as sender:
        sender.send("edged/porch/command", "snapshot")
    make_port()
    assert _posted(mailbox).command == TakeSnapshot()


def test_an_output_is_set_and_a_wrong_value_is_answered(
    broker: Broker, mailbox: Mailbox, make_port: MakePort
) -> None:
    make_port()
    with Listener(broker.port, "edged/porch/command/reply") as listener:
        listener.send("edged/porch/output/lamp/set", "ON")
        assert _posted(mailbox).command == SetOutput(name="lamp", value=1.0)
        listener.send("edged/porch/output/lamp/set", "2")
        assert "0 to 1" in read(listener.next())["error"]
        listener.send("edged/porch/output/heater/set", "ON")
        request = _posted(mailbox)
        assert request.command == SetOutput(name="heater", value=1.0)
        request.reply(Reply(error="no output is named so"))
        assert read(listener.next())["error"] == "no output is named so"


def test_commands_can_be_switched_off(
    broker: Broker, mailbox: Mailbox, make_port: MakePort
) -> None:
    port = make_port(commands=False)
    with Listener(broker.port, "edged/porch/event") as listener:
        listener.send("edged/porch/command", "pause")
        port.write(result(events=(event(),)))
        listener.next()
    assert mailbox.take() == []


def _posted(mailbox: Mailbox) -> Request[Any]:
    taken: list[Any] = []

    def arrived() -> bool:
        taken.extend([*mailbox.take(), *mailbox.take_snapshots()])
        return bool(taken)

    wait_until(arrived)
    (request,) = taken
    assert isinstance(request, Request)
    return request
