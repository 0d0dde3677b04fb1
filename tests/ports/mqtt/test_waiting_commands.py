"""Commands that waited at the broker: which are obeyed, and what the others are answered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import MQTTMessage

from edged.commands import Pause, Resume
from edged.config.schema import MqttConfig
from edged.mailbox import Mailbox
from edged.ports.mqtt.commands import Commands
from edged.ports.mqtt.memory import Memory
from edged.ports.mqtt.topics import Topics
from tests.mosquitto import MQTT_5, Broker, Listener, broker, brokers, wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.strict_broker import StrictBroker, strict
from tests.ports.mqtt.test_port import mqtt_to
from tests.ports.mqtt.test_strict_broker import mqtt_to as mqtt_to_strict

__all__ = ["broker", "brokers"]

COMMAND, REPLY = "edged/porch/command", "edged/porch/command/reply"
LAMP = "edged/porch/output/lamp/set"


def forget_when_the_broker_was_there(folder: Path) -> None:
    """As after a power cut; the client identifier is still known."""
    memory = Memory(folder / "events.db.mqtt", "porch")
    assert math.isfinite(memory.heard_s)
    memory._boot_id = "another"
    memory.heard_s = 0.0
    memory.heard(1.0)
    memory.save()


def asked(mailbox: Mailbox) -> list[Any]:
    return [request.command for request in mailbox.take()]


def run_once(broker: Broker, folder: Path, **options: Any) -> None:
    """A device that was there, and is away."""
    with RecordedPort(mqtt_to(broker, **options), folder, Mailbox(), ["lamp"]) as port:
        wait_until(lambda: port.live)
        with Listener(broker.port, REPLY) as listener:
            # Answered, so that it has subscribed.
            listener.send(COMMAND, "nonsense")
            listener.next()


@MQTT_5
def test_a_command_that_may_have_waited_too_long_is_refused_with_an_answer(
    broker: Broker, tmp_path: Path
) -> None:
    run_once(broker, tmp_path, protocol="5")
    forget_when_the_broker_was_there(tmp_path)
    mailbox = Mailbox()
    with Listener(broker.port, REPLY) as listener:
        listener.send(LAMP, "ON")
        listener.send(COMMAND, "pause")
        with RecordedPort(mqtt_to(broker, protocol="5"), tmp_path, mailbox, ["lamp"]) as port:
            wait_until(lambda: port.live)
            answers = [json.loads(listener.next().payload) for _ in range(2)]
            listener.send(COMMAND, "resume")
            commands: list[Any] = []
            wait_until(lambda: commands.extend(asked(mailbox)) or commands)  # type: ignore[func-returns-value]
    assert all("waited at the broker" in answer["error"] for answer in answers)
    assert commands == [Resume()]


@MQTT_5
def test_a_command_whose_sender_says_how_long_it_holds_may_wait(
    broker: Broker, tmp_path: Path
) -> None:
    from paho.mqtt.enums import MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    run_once(broker, tmp_path, protocol="5")
    forget_when_the_broker_was_there(tmp_path)
    mailbox = Mailbox()
    with Listener(broker.port, protocol=MQTTProtocolVersion.MQTTv5) as sender:
        expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        expiry.MessageExpiryInterval = 600
        sender.client.publish(COMMAND, "pause", 1, False, expiry).wait_for_publish(30)
    with RecordedPort(mqtt_to(broker, protocol="5"), tmp_path, mailbox, ["lamp"]):
        commands: list[Any] = []
        wait_until(lambda: commands.extend(asked(mailbox)) or commands)  # type: ignore[func-returns-value]
    assert commands == [Pause()]


def test_in_mqtt_3_no_command_waits_at_the_broker(broker: Broker, tmp_path: Path) -> None:
    run_once(broker, tmp_path, protocol="3.1.1")
    mailbox = Mailbox()
    with Listener(broker.port) as sender:
        sender.send(LAMP, "ON")
        with RecordedPort(mqtt_to(broker, protocol="3.1.1"), tmp_path, mailbox, ["lamp"]) as port:
            wait_until(lambda: port.live)
            commands: list[Any] = []

            def heard() -> bool:
                sender.send(COMMAND, "resume")
                commands.extend(asked(mailbox))
                return bool(commands)

            wait_until(heard)
    assert set(commands) == {Resume()}


@MQTT_5
def test_who_wants_no_commands_gets_none_that_an_old_session_has(
    broker: Broker, tmp_path: Path
) -> None:
    run_once(broker, tmp_path, protocol="5")
    mailbox = Mailbox()
    with Listener(broker.port, "edged/porch/availability", REPLY) as listener:
        listener.send(LAMP, "ON")
        config = mqtt_to(broker, protocol="5", commands=False)
        with RecordedPort(config, tmp_path, mailbox, ["lamp"]) as port:
            wait_until(lambda: port.live)
            listener.send(COMMAND, "pause")
        # What comes before it has come.
        while listener.next("edged/porch/availability").payload != b"offline":
            pass
    assert mailbox.take() == []


def connected(broker: StrictBroker, folder: Path, mailbox: Mailbox, **options: Any) -> RecordedPort:
    return RecordedPort(mqtt_to_strict(broker, **options), folder, mailbox, ["lamp"])


@pytest.mark.parametrize("session_present", [False, True])
def test_what_comes_where_no_commands_are_wanted_is_ignored(
    tmp_path: Path, session_present: bool
) -> None:
    mailbox = Mailbox()
    with strict() as broker:
        broker.session_present = session_present
        with connected(broker, tmp_path, mailbox, commands=False) as port:
            wait_until(lambda: port.live)
            broker.send(COMMAND, b"pause", mark=1)
            broker.send(LAMP, b"ON")
        assert broker.greetings[0].clean_start
        assert set(broker.subscribed) == {"edged/porch/receipt/+"}
    assert mailbox.take() == []


def test_after_a_short_cut_what_waited_is_obeyed_and_after_a_long_one_it_is_not(
    tmp_path: Path,
) -> None:
    mailbox = Mailbox()
    with strict() as broker:
        broker.session_present = True
        with connected(broker, tmp_path, mailbox) as port:
            wait_until(lambda: COMMAND in broker.subscribed)
            before = broker.subscribed.pop(COMMAND)
            broker.cut()
            wait_until(lambda: COMMAND in broker.subscribed)
            broker.send(COMMAND, b"pause", mark=before)
            commands: list[Any] = []
            wait_until(lambda: commands.extend(asked(mailbox)) or commands)  # type: ignore[func-returns-value]
            wait_until(lambda: port.live)
            session = port._connection._session
            assert session is not None
            session._unheard_s -= 11.0
            broker.send(COMMAND, b"resume", mark=before)
            assert "waited" in json.loads(broker.next(REPLY).payload)["error"]
            broker.send(COMMAND, b"resume", mark=broker.subscribed[COMMAND])
            wait_until(lambda: commands.extend(asked(mailbox)) or len(commands) == 2)  # type: ignore[func-returns-value]
    assert commands == [Pause(), Resume()]


def test_a_broker_that_cannot_tell_what_waited_is_asked_to_forget_it(tmp_path: Path) -> None:
    with strict(SubscriptionIdentifierAvailable=0) as broker:
        broker.session_present = True
        with connected(broker, tmp_path, Mailbox()) as port:
            wait_until(lambda: port.live)
            wait_until(lambda: COMMAND in broker.subscribed)
        assert [one.clean_start for one in broker.greetings] == [False, True]
        assert broker.violations == []


def test_a_retained_command_is_not_even_answered(tmp_path: Path) -> None:
    message = MQTTMessage(0, COMMAND.encode())
    message.payload, message.retain = b"pause", True
    answers: list[Any] = []
    topics = Topics(MqttConfig(), "porch")
    commands = Commands(topics, Mailbox(), lambda *said: answers.append(said))
    commands.refuse_stale(message)
    assert answers == []
    message.retain = False
    commands.refuse_stale(message)
    assert len(answers) == 1
