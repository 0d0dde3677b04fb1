"""Commands from strangers: what is taken, what is refused, and where answers go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.commands import Reply, Request, SetOutput, name_of
from edged.config.schema import Config, MqttConfig, TeachConfig
from edged.mailbox import CONTROLS, Mailbox
from edged.ports.mqtt.commands import CORRELATION_BYTES, Commands, Return
from edged.ports.mqtt.topics import Topics
from edged.syntax import REQUEST_BYTES


class Device:
    """Commands of a device ``porch`` with an output ``lamp``; keeps its answers."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.answers: list[tuple[Return, Reply]] = []
        self.commands = Commands(
            Topics(MqttConfig(), "porch"),
            self.mailbox,
            lambda asker, answer: self.answers.append((asker, answer)),
        )

    def tell(self, payload: bytes, topic: str = "command", **properties: Any) -> None:
        message = MQTTMessage(0, f"edged/porch/{topic}".encode())
        message.payload = payload
        if properties:
            message.properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            for name, value in properties.items():
                setattr(message.properties, name, value)
        self.commands.take(message)

    def posted(self) -> list[Request[Any]]:
        return [*self.mailbox.take(), *self.mailbox.take_snapshots()]

    def refusal(self) -> str:
        ((_, answer),) = self.answers
        assert answer.error is not None
        assert "\n" not in answer.error
        return answer.error


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"pause", "pause"),
        (b" RESUME\n", "resume"),
        (b'{"command": "wake"}', "wake"),
        (b'{"command": "status", "id": 7, "more": {"ignored": []}}', "status"),
    ],
)
def test_a_word_or_json_is_a_command(device: Device, payload: bytes, name: str) -> None:
    device.tell(payload)
    (request,) = device.posted()
    assert name_of(type(request.command)) == name
    assert device.answers == []


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "is not a command"),
        (b"reboot", '"reboot" is not a command'),
        (b'{"command": "stop"}', "not a command"),
        (b'{"command": "watch"}', "not a command"),
        (b'{"command": "set-output", "name": "lamp", "value": 1}', '"set-output" is not a command'),
        (b'{"command": ["pause"]}', "not a command"),
        (b'{"id": 1}', "not a command"),
        (b'{"command": "pause", "id": {"deep": 1}}', "pause: id = {...}: expected text"),
        (b'{"command": "pause", "id": 1e400}', "a number in it is out of range"),
        (b'{"command": "pause", "id": ' + b"9" * 400 + b"}", "pause: id = 0x"),
        (b'["pause"]', "not a command"),
        (b"[" * 4000, "neither JSON"),
        (b'{"command": "pause", "x": ' + b"[" * 4000, "neither JSON"),
        (b"\xff\xfe\x00", "is not a command"),
        (b'{"command": "pause", "pad": "' + b"x" * REQUEST_BYTES + b'"}', "at most 4096 bytes"),
    ],
)
def test_anything_else_is_refused_with_one_line(device: Device, payload: bytes, told: str) -> None:
    device.tell(payload)
    assert told in device.refusal()
    assert device.posted() == []


@given(payload=st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(payload: bytes) -> None:
    device = Device()
    device.tell(payload)
    device.tell(payload, "output/lamp/set")
    assert len(device.posted()) + len(device.answers) == 2


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"ON", 1.0),
        (b"off", 0.0),
        (b"true", 1.0),
        (b"False", 0.0),
        (b"0.25", 0.25),
        (b" 1 ", 1.0),
        (b"1e-3", 0.001),
        (b"0.25".ljust(32), 0.25),
    ],
)
def test_an_output_takes_a_word_or_a_number(device: Device, payload: bytes, value: float) -> None:
    device.tell(payload, "output/lamp/set")
    (request,) = device.posted()
    assert request.command == SetOutput(name="lamp", value=value)


@pytest.mark.parametrize(
    "payload",
    [b"", b"2", b"-0.1", b"nan", b"inf", b"toggle", b"0." + b"0" * 50, b"0.25".ljust(33), b"\xff"],
)
def test_an_output_takes_nothing_else(device: Device, payload: bytes) -> None:
    device.tell(payload, "output/lamp/set")
    assert "ON, OFF or a number" in device.refusal()
    assert device.posted() == []


def test_a_refused_value_is_named_with_its_output_and_logged(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    device.tell(b"MAY\x1bBE", "output/lamp/set")
    refusal = '"lamp": "MAY\\u001bBE": expected ON, OFF or a number from 0 to 1'
    assert device.refusal() == refusal
    assert caplog.messages == [f"set-output, requested by MQTT: {refusal}"]


def test_a_refused_value_is_shortened(device: Device) -> None:
    device.tell(b"x" * 100_000, "output/lamp/set")
    assert len(device.refusal()) < 200


@pytest.mark.parametrize("topic", ["output/heater/set", "output/lamp/x/set", "output//set"])
def test_the_refusal_of_an_output_is_returned_to_who_asked(device: Device, topic: str) -> None:
    device.tell(b"ON", topic)
    (request,) = device.posted()
    assert request.command.name not in ("lamp", None)
    request.reply(Reply(error="no output is named so"))
    assert device.refusal() == "no output is named so"
    ((where, _),) = device.answers
    assert where.request == "set-output"


@pytest.mark.parametrize("allowed", [True, False])
def test_teaching_is_offered_only_where_it_is_allowed(device: Device, allowed: bool) -> None:
    device.commands.reconfigure(Config(teach=TeachConfig(mqtt=allowed)))
    device.tell(b"reboot")
    offered = device.refusal().partition("; commands: ")[2].split(", ")
    assert {"teach", "forget", "undo-teaching"} & {*offered} == (
        {"teach", "forget", "undo-teaching"} if allowed else set()
    )
    assert "taught" in offered


def test_a_topic_that_is_no_text_is_ignored(device: Device) -> None:
    message = MQTTMessage(0, b"edged/porch/output/\xff\xfe/set")
    message.payload = b"ON"
    device.commands.take(message)
    assert (device.posted(), device.answers) == ([], [])


def test_an_output_that_was_set_is_not_answered_but_a_failure_is(device: Device) -> None:
    device.tell(b"ON", "output/lamp/set")
    device.tell(b"OFF", "output/lamp/set")
    done, failed = device.posted()
    done.reply(Reply())
    assert device.answers == []
    failed.reply(Reply(error="the pin is busy"))
    assert device.refusal() == "the pin is busy"


def test_the_answer_goes_where_the_asker_said_with_its_correlation_and_id(device: Device) -> None:
    device.tell(b'{"command": "status", "id": "q"}', ResponseTopic="me/1", CorrelationData=b"\x07")
    (request,) = device.posted()
    request.reply(Reply())
    assert device.answers == [(Return("me/1", b"\x07", "status", "q"), Reply())]


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("me/1", True),
        ("edged/porch/command/reply", True),
        ("edged/porch/command/reply/me", True),
        ("edged/porch/command", False),
        ("edged/porch/output/lamp/set", False),
        ("edged/garage/command", False),
        ("edged", False),
        ("$SYS/broker", False),
        ("a/+", False),
        ("a/#", False),
        ("", False),
        ("x" * 257, False),
    ],
)
def test_an_answer_goes_only_where_it_can_do_no_harm(
    device: Device, topic: str, allowed: bool
) -> None:
    device.tell(b"nonsense", ResponseTopic=topic)
    ((asker, _),) = device.answers
    assert asker.topic == (topic if allowed else "edged/porch/command/reply")


def test_too_long_correlation_data_is_not_given_back(device: Device) -> None:
    for length in (CORRELATION_BYTES, CORRELATION_BYTES + 1):
        device.tell(b"nonsense", ResponseTopic="me/1", CorrelationData=b"x" * length)
    (longest, _), (too_long, _) = device.answers
    assert longest.correlation == b"x" * CORRELATION_BYTES
    assert too_long.correlation is None


def test_a_retained_command_is_ignored_and_that_can_be_seen(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    message = MQTTMessage(0, b"edged/porch/command")
    message.payload, message.retain = b"pause", True
    device.commands.take(message)
    assert (device.posted(), device.answers) == ([], [])
    assert "a retained command is ignored" in caplog.text


def test_a_flood_is_refused_and_not_kept(device: Device) -> None:
    for _ in range(CONTROLS + 5):
        device.tell(b"pause")
    assert len(device.posted()) == CONTROLS
    assert len(device.answers) == 5
