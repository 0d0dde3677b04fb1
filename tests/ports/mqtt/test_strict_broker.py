"""A broker that refuses, limits and cuts, as MQTT 5 allows it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edged.commands import Reply
from edged.config.schema import MqttConfig
from edged.core import OutputState
from edged.journal.reader import Reader
from edged.mailbox import Mailbox
from edged.ports.mqtt.commands import Return
from edged.ports.mqtt.session import UNSENT
from tests.mosquitto import wait_until
from tests.ports.mqtt.recorded import RecordedPort
from tests.ports.mqtt.reports import event, health, result
from tests.ports.mqtt.strict_broker import Published, StrictBroker, strict

EVENT, STATE, REPLY = "edged/porch/event", "edged/porch/state", "edged/porch/command/reply"
COMMAND = "edged/porch/command"


def mqtt_to(broker: StrictBroker, **options: Any) -> MqttConfig:
    defaults = {"host": "127.0.0.1", "port": broker.port, "retry_min_s": 0.02, "retry_max_s": 0.04}
    return MqttConfig(**{**defaults, **options})


@contextmanager
def port_to(
    broker: StrictBroker, folder: Path, *, outputs: tuple[str, ...] = ("lamp",), **options: Any
) -> Iterator[RecordedPort]:
    """A port that is connected to `broker`."""
    with RecordedPort(mqtt_to(broker, **options), folder, Mailbox(), outputs) as port:
        wait_until(lambda: port.live)
        yield port


def make_events(port: RecordedPort, count: int) -> None:
    for number in range(1, count + 1):
        port.write(result(number, events=(event(number),)))


def read(message: Published) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(message.payload)
    return decoded


def health_of(port: RecordedPort) -> dict[str, Any]:
    """What a health message says now; it is not sent."""
    sent: list[bytes] = []
    newest, asking = port._newest, threading.get_ident()
    publish = newest.publish

    def caught(topic: str, payload: bytes, **more: Any) -> None:
        # The port's own thread may publish something meanwhile, which counts.
        if threading.get_ident() == asking:
            sent.append(payload)
        else:
            publish(topic, payload, **more)

    newest.publish = caught  # type: ignore[method-assign]
    try:
        port._feed.publish_report(health())
    finally:
        newest.publish = publish  # type: ignore[method-assign]
    said: dict[str, Any] = json.loads(sent[-1])
    return said


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def numbers_of(broker: StrictBroker, count: int) -> list[int]:
    """Of so many messages on the topic of events."""
    said = [read(broker.next(EVENT)) for _ in range(count)]
    return [one["number"] for one in said if one["type"] == "event"]


# What is refused.


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x95, 0x99, 0xF7])
def test_events_that_the_broker_refuses_are_told_once_counted_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    with strict() as broker:
        broker.puback = lambda topic: code if topic == EVENT else 0
        broker.words = "not on a Sunday"
        with port_to(broker, tmp_path) as port:
            make_events(port, 3)
            wait_until(lambda: port._delivery.refused_events == 3)
            said = health_of(port)
            told = warnings_of(caplog)
        assert said["events_refused"] == 3
        (line,) = [line for line in told if EVENT in line]
        assert "not on a Sunday" in line
        assert any(EVENT in problem for problem in said["broker_problems"])
        assert broker.violations == []
    kept = Reader(tmp_path / "events.db", "porch").page()
    assert [entry.number for entry in kept] == [1, 2, 3]


def test_what_was_refused_is_a_gap_for_who_listens_once_the_broker_takes_events(
    tmp_path: Path,
) -> None:
    with strict() as broker:
        broker.puback = lambda topic: 0x87 if topic == EVENT else 0
        with port_to(broker, tmp_path) as port:
            make_events(port, 3)
            wait_until(lambda: port._delivery.refused_events == 3)
            broker.puback = lambda _: 0
            while not broker.published.empty():
                broker.published.get()
            make_events(port, 1)
            gap, then = read(broker.next(EVENT)), read(broker.next(EVENT))
            wait_until(lambda: port._delivery.settled())
            make_events(port, 1)
            assert health_of(port)["broker_problems"] == []
    assert (gap["type"], gap["first"], gap["last"], gap["reason"]) == ("gap", 1, 3, "refused")
    assert (then["number"], then["replayed"]) == (4, False)


@pytest.mark.parametrize("code", [0x97, 0x91])
def test_where_waiting_helps_an_event_is_sent_until_the_broker_takes_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    refusals = iter([code] * 4)
    with strict() as broker:
        broker.puback = lambda topic: next(refusals, 0) if topic == EVENT else 0
        with port_to(broker, tmp_path) as port:
            make_events(port, 2)
            wait_until(lambda: port._delivery._consumer.cursor == 2)
            assert health_of(port)["events_refused"] == 0
            wait_until(lambda: port.live)
        told = [line for line in warnings_of(caplog) if EVENT in line]
        assert len(told) == 1
        assert "retried" in told[0]
        assert {1, 2} == set(numbers_of(broker, 6))


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x8F, 0x95, 0x97, 0xA2, 0xF7])
def test_a_subscription_that_is_refused_is_told_and_in_health(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    with strict() as broker:
        broker.suback = lambda topic: code if topic == COMMAND else 1
        with port_to(broker, tmp_path) as port:
            wait_until(lambda: health_of(port)["broker_problems"])
            (problem,) = health_of(port)["broker_problems"]
    assert f"it refuses {COMMAND}: " in problem
    assert [line for line in warnings_of(caplog) if COMMAND in line] == [
        f"MQTT broker 127.0.0.1:{broker.port}: {problem}"
    ]


def test_a_subscription_that_was_refused_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.ports.mqtt.connection.ALIVE_CHECK_S", 0.02)
    with strict() as broker:
        broker.suback = lambda _: 0x87
        with port_to(broker, tmp_path) as port:
            wait_until(lambda: health_of(port)["broker_problems"])
            broker.suback = lambda _: 1
            wait_until(lambda: COMMAND in broker.subscribed)
            wait_until(lambda: health_of(port)["broker_problems"] == [])


def test_online_that_was_refused_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.ports.mqtt.connection.ALIVE_CHECK_S", 0.02)
    with strict() as broker:
        broker.puback = lambda _: 0x97
        with port_to(broker, tmp_path) as port:
            wait_until(lambda: health_of(port)["broker_problems"])
            assert broker.retained == {}
            broker.puback = lambda _: 0
            wait_until(lambda: broker.retained == {"edged/porch/availability": b"online"})
            wait_until(lambda: health_of(port)["broker_problems"] == [])


def test_strangers_cannot_fill_the_log_with_topics_that_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict() as broker:
        broker.puback = lambda topic: 0x87 if topic.startswith("asker/") else 0
        with port_to(broker, tmp_path) as port:
            for number in range(20):
                port._reply(Return(f"asker/{number}", None), Reply())
                broker.next(f"asker/{number}")
            wait_until(lambda: health_of(port)["broker_problems"])
    assert len(warnings_of(caplog)) == 1


# What CONNACK says.


@pytest.mark.parametrize("most", [1, 2, 10])
def test_never_are_more_messages_of_qos_1_under_way_than_the_broker_takes(
    tmp_path: Path, most: int
) -> None:
    with strict(ReceiveMaximum=most) as broker:
        with port_to(broker, tmp_path) as port:
            broker.puback = lambda _: None
            make_events(port, 12)
            for number in range(5):
                port._reply(Return(REPLY, None), Reply(error=str(number)))
            wait_until(lambda: len(broker.unanswered) == most)

            def all_came() -> bool:
                broker.acknowledge()
                return port._delivery._consumer.cursor == 12 and not port._replies

            wait_until(all_came)
            broker.acknowledge()
            broker.puback = lambda _: 0
        assert broker.violations == []
        assert (broker.most, len(broker.greetings)) == (most, 1)
        assert numbers_of(broker, 12) == list(range(1, 13))


def test_a_backlog_drains_through_a_broker_that_takes_one_at_a_time(tmp_path: Path) -> None:
    with strict(ReceiveMaximum=1) as broker:
        with RecordedPort(mqtt_to(broker), tmp_path, Mailbox()) as port:
            make_events(port, 30)
            wait_until(lambda: port.live)
            wait_until(lambda: port._delivery._consumer.cursor == 30)
        assert broker.violations == []
        assert numbers_of(broker, 30) == list(range(1, 31))


def test_the_farewell_keeps_to_the_quota_too(tmp_path: Path) -> None:
    with strict(ReceiveMaximum=1) as broker:
        with port_to(broker, tmp_path) as port:
            broker.puback = lambda _: None
            make_events(port, 1)
            wait_until(lambda: broker.unanswered)
        assert broker.violations == []
        assert broker.retained["edged/porch/availability"] == b"offline"


def test_what_is_larger_than_the_broker_takes_is_skipped_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict(MaximumPacketSize=900) as broker:
        with port_to(broker, tmp_path, image="event", classification_hz=0.0) as port:
            make_events(port, 3)
            wait_until(lambda: port._delivery._consumer.cursor == 3 and not port._feed.images)
            wait_until(lambda: health_of(port)["messages_dropped"] == 3)
            (problem,) = health_of(port)["broker_problems"]
        assert "900 bytes" in problem
        assert "edged/porch/image" in problem
        assert len([line for line in warnings_of(caplog) if "edged/porch/image" in line]) == 1
        assert (broker.violations, len(broker.greetings)) == ([], 1)
        assert numbers_of(broker, 3) == [1, 2, 3]


def test_events_that_are_too_large_are_kept_and_hold_nothing_up(tmp_path: Path) -> None:
    with strict(MaximumPacketSize=100) as broker:
        with port_to(broker, tmp_path, classification_hz=0.0) as port:
            make_events(port, 3)
            wait_until(lambda: port._delivery.refused_events == 3)
            assert health_of(port)["events_refused"] == 3
        assert (broker.violations, len(broker.greetings)) == ([], 1)


def test_the_size_that_is_checked_is_that_on_the_wire(tmp_path: Path) -> None:
    """The largest reply that is sent has just the size that the broker takes."""
    sizes = []
    for most in (300, 301, 302):
        with strict(MaximumPacketSize=most) as broker:
            with port_to(broker, tmp_path, classification_hz=0.0) as port:
                for length in range(200):
                    where = Return("asker", b"c" * 7, "x" * length)
                    port._reply(where, Reply())
                wait_until(lambda p=port: not p._replies)  # type: ignore[misc]
            assert broker.violations == []
            taken = [one for one in list(broker.published.queue) if one.topic == "asker"]
            sizes.append(max(len(one.payload) for one in taken))
    assert sizes == [sizes[0], sizes[0] + 1, sizes[0] + 2]


def test_a_broker_that_retains_nothing_is_not_asked_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict(RetainAvailable=0) as broker:
        with port_to(broker, tmp_path) as port:
            port.write(OutputState("lamp", 1.0, 0.0))
            port.write(result())
            assert not broker.next(STATE).retain
            make_events(port, 1)
            broker.next(EVENT)
            assert any(
                "does not support retained" in one for one in health_of(port)["broker_problems"]
            )
        assert broker.violations == []
        assert [one.will_retain for one in broker.greetings] == [True, False]
    assert any("last will" in line for line in warnings_of(caplog))


def test_a_broker_of_qos_0_gets_events_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict(MaximumQoS=0) as broker:
        with port_to(broker, tmp_path) as port:
            make_events(port, 3)
            wait_until(lambda: port._delivery._consumer.cursor == 3)
        assert numbers_of(broker, 3) == [1, 2, 3]
        assert broker.violations == []
        assert [one.will_qos for one in broker.greetings] == [1, 0]
    assert any("only QoS 0" in line for line in warnings_of(caplog))


def test_what_the_broker_has_learned_is_no_problem_any_more(tmp_path: Path) -> None:
    with (
        strict(MaximumQoS=0, RetainAvailable=0, MaximumPacketSize=100) as broker,
        port_to(broker, tmp_path, classification_hz=0.0) as port,
    ):
        make_events(port, 1)
        wait_until(lambda: len(health_of(port)["broker_problems"]) == 4)
        broker.names.clear()
        broker.cut()
        wait_until(lambda: health_of(port)["broker_problems"] == [])


def test_without_wildcards_each_output_is_subscribed_to(tmp_path: Path) -> None:
    with strict(WildcardSubscriptionAvailable=0) as broker:
        with port_to(broker, tmp_path, outputs=("lamp", "heater")):
            wait_until(
                lambda: (
                    set(broker.subscribed)
                    == {COMMAND, "edged/porch/output/lamp/set", "edged/porch/output/heater/set"}
                )
            )
        assert broker.violations == []


def test_the_broker_says_how_often_it_wants_a_sign_of_life(tmp_path: Path) -> None:
    with strict(ServerKeepAlive=7) as broker, port_to(broker, tmp_path) as port:
        session = port._connection._session
        assert session is not None
        assert (broker.greetings[0].keepalive_s, session._client.keepalive) == (30, 7)
        assert health_of(port)["broker_problems"] == []


@pytest.mark.parametrize("keepalive_s", [0, 31])
def test_a_sign_of_life_that_is_rarer_than_configured_is_told(
    tmp_path: Path, keepalive_s: int
) -> None:
    with strict(ServerKeepAlive=keepalive_s) as broker, port_to(broker, tmp_path) as port:
        (problem,) = health_of(port)["broker_problems"]
    assert f"{keepalive_s} s, not the 30 s of mqtt.keepalive_s" in problem


def test_no_topic_alias_is_used_however_many_the_broker_offers(tmp_path: Path) -> None:
    with strict(TopicAliasMaximum=10) as broker, port_to(broker, tmp_path) as port:
        make_events(port, 2)
        assert numbers_of(broker, 2) == [1, 2]


@pytest.mark.parametrize(
    ("code", "names", "told"),
    [
        (0x97, {}, "refuses the connection: Quota exceeded"),
        (0xF7, {}, "refuses the connection: Reason 0xF7"),
        (0x8A, {"ReasonString": "ask\nAnn"}, r"refuses the connection: Banned (ask\nAnn)"),
        (
            0x9D,
            {"ServerReference": "b.example"},
            "Server moved (it refers to b.example; set mqtt.host",
        ),
        (0x9C, {"ServerReference": "b.example"}, "Use another server (it refers to b.example"),
        (0x85, {}, "set mqtt.client_id"),
    ],
)
def test_a_broker_that_does_not_let_in_says_why(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    code: int,
    names: dict[str, str],
    told: str,
) -> None:
    with strict(**names) as broker:
        broker.connack = code
        with RecordedPort(mqtt_to(broker), tmp_path, Mailbox()):
            wait_until(lambda: len(broker.greetings) > 2)
    (line,) = warnings_of(caplog)
    assert told in line


@pytest.mark.parametrize(
    ("code", "more", "told"),
    [
        (0x8B, {}, "Server shutting down"),
        (0xF7, {}, "Reason 0xF7"),
        (0x98, {"ReasonString": "maintenance"}, "Administrative action (maintenance)"),
        (0x9C, {"ServerReference": "b.example"}, "(it refers to b.example; set mqtt.host)"),
    ],
)
def test_a_broker_that_ends_the_connection_says_why(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    code: int,
    more: dict[str, str],
    told: str,
) -> None:
    with strict() as broker, port_to(broker, tmp_path):
        broker.disconnect(code, **more)
        wait_until(lambda: len(broker.greetings) == 2)
    assert any(told in line for line in warnings_of(caplog))


# Who else is there.


def test_a_takeover_is_named_in_the_log_and_in_health(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict() as broker, port_to(broker, tmp_path) as port:
        for times in (2, 3):
            broker.disconnect(0x8E)
            wait_until(lambda n=times: len(broker.greetings) == n)  # type: ignore[misc]
        wait_until(lambda: port.live)
        (problem,) = health_of(port)["broker_problems"]
        name = broker.greetings[0].client_id
    assert f"another client uses the identifier {name}" in problem
    assert "mqtt.client_id" in problem
    assert len([line for line in warnings_of(caplog) if "uses the identifier" in line]) == 1


def test_who_is_cut_again_and_again_right_after_connecting_suspects_another_of_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strict() as broker, port_to(broker, tmp_path) as port:
        for times in (2, 3, 4):
            broker.cut()
            wait_until(lambda n=times: len(broker.greetings) == n)  # type: ignore[misc]
            wait_until(lambda: port.live)
        wait_until(lambda: health_of(port)["broker_problems"])
    assert len([line for line in warnings_of(caplog) if "uses the identifier" in line]) == 1


def test_a_rival_is_forgotten_when_a_connection_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.ports.mqtt.connection.ALIVE_CHECK_S", 0.02)
    with strict() as broker, port_to(broker, tmp_path) as port:
        broker.disconnect(0x8E)
        wait_until(lambda: health_of(port)["broker_problems"])
        monkeypatch.setattr("edged.ports.mqtt.connection.RIVAL_GONE_S", 0.0)
        wait_until(lambda: health_of(port)["broker_problems"] == [])


# How much is kept.


def test_a_broker_that_acknowledges_nothing_costs_bounded_memory(tmp_path: Path) -> None:
    with strict() as broker:
        broker.puback = lambda topic: None if topic == EVENT else 0
        with port_to(broker, tmp_path, classification_hz=0.0) as port:
            make_events(port, 3000)
            wait_until(lambda: len(port._delivery._in_flight) == 100)
            port.journal.sync()
            assert len(port._delivery._ahead) <= 200
            assert len(port.journal._waiting) < 3000
            session = port._connection._session
            assert session is not None
            assert len(session._unanswered) <= 101
            assert len(session._unsent) <= UNSENT
            assert len(session._client._out_messages) <= 101


def test_a_broker_that_acknowledges_nothing_is_told_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.ports.mqtt.connection.ALIVE_CHECK_S", 0.02)
    monkeypatch.setattr("edged.ports.mqtt.connection.SILENT_S", 0.05)
    with strict() as broker, port_to(broker, tmp_path) as port:
        wait_until(lambda: not broker.unanswered)
        broker.puback = lambda _: None
        make_events(port, 2)
        wait_until(lambda: health_of(port)["broker_problems"])
        assert "acknowledged nothing" in health_of(port)["broker_problems"][0]
        broker.acknowledge()
        wait_until(lambda: health_of(port)["broker_problems"] == [])
