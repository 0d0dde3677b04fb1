"""What the broker refuses or lacks: how often that is told, and how long it is listed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edged.ports.mqtt.limits import (
    WORDS,
    Limits,
    helps_to_wait,
    limits_of,
    publish_bytes,
    reason,
    refusal,
)
from edged.ports.mqtt.problems import MOST, Problems

B = "b:1883"


def test_a_problem_is_told_once_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    for _ in range(3):
        problems.tell(B, "a", "it refuses a")
    assert caplog.messages == ["MQTT broker b:1883: it refuses a"]
    problems.tell(B, "a", "it refuses a for another reason")
    assert problems.lines() == ["it refuses a for another reason"]
    problems.tell(B, "a", None)
    assert problems.lines() == []
    problems.tell(B, "a", "it refuses a")
    assert len(caplog.messages) == 3


def test_what_is_over_takes_its_parts_along_and_nothing_else() -> None:
    problems = Problems()
    for about in ("size: a", "size: b", "sizes", "x"):
        problems.tell(B, about, about)
    problems.tell(B, "size: b", None)
    assert problems.lines() == ["size: a", "sizes", "x"]
    problems.tell(B, "size", None)
    assert problems.lines() == ["sizes", "x"]


def test_problems_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    for number in range(MOST + 5):
        problems.tell(B, str(number), str(number))
    assert len(problems.lines()) == len(caplog.messages) == MOST


def properties(kind: int, **values: Any) -> Properties:
    made = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_a_broker_that_names_nothing_takes_everything() -> None:
    assert limits_of(None) == limits_of(properties(PacketTypes.CONNACK)) == Limits()
    assert [problem for _, problem in Limits().lacks(30)] == [None] * 4


def test_each_thing_that_a_broker_lacks_is_a_problem_of_its_own() -> None:
    lacking = Limits(keepalive_s=0, qos=0, retain=False, subscription_identifiers=False)
    assert {about: (problem or "")[:20] for about, problem in lacking.lacks(30)} == {
        "keep alive": "it sets keep alive t",
        "QoS": "it supports only QoS",
        "retain": "it does not support ",
        "subscription identifiers": "it does not support ",
    }


def test_a_broker_that_names_what_the_standard_does_not_allow_is_read_as_the_next_best() -> None:
    said: Any = SimpleNamespace(ReceiveMaximum=0, MaximumQoS=2)
    assert (limits_of(said).receive_maximum, limits_of(said).qos) == (1, 1)


def test_a_broker_is_taken_at_its_word() -> None:
    said = properties(
        PacketTypes.CONNACK, ReceiveMaximum=3, MaximumPacketSize=1000, ServerKeepAlive=9,
        MaximumQoS=0, RetainAvailable=0, WildcardSubscriptionAvailable=0,
        SubscriptionIdentifierAvailable=0,
    )  # fmt: skip
    assert limits_of(said) == Limits(3, 1000, 9, 0, False, False, False)


@pytest.mark.parametrize(
    ("keepalive_s", "told"), [(None, False), (1, False), (30, False), (31, True), (0, True)]
)
def test_a_rarer_sign_of_life_is_a_problem(keepalive_s: int | None, told: bool) -> None:
    lacks = dict(Limits(keepalive_s=keepalive_s).lacks(30))
    assert (lacks["keep alive"] is not None) == told


@pytest.mark.parametrize(
    ("payload_bytes", "size"),
    [(0, 9), (120, 129), (121, 131), (16376, 16386), (16377, 16388), (2097144, 2097155),
     (2097145, 2097157)],
)  # fmt: skip
def test_the_size_of_a_packet_counts_its_length(payload_bytes: int, size: int) -> None:
    # One byte of kind, one to four of length, two of the topic's length, and its three.
    assert publish_bytes("a/b", bytes(payload_bytes), 1, None) == size


def test_the_size_of_a_packet_counts_its_number_its_properties_and_the_bytes_of_its_topic() -> None:
    assert publish_bytes("a/b", b"", 0, None) == 7
    assert publish_bytes("a/b", b"", 0, b"\0") == 8
    assert publish_bytes("a/é", b"", 1, b"\0") == 11


def test_another_server_is_told_beside_the_brokers_own_words() -> None:
    code = ReasonCode(PacketTypes.DISCONNECT, "Use another server")
    more = properties(PacketTypes.DISCONNECT, ReasonString="full", ServerReference="b.example")
    told = "Use another server (full; it refers to b.example; set mqtt.host)"
    assert reason(code, more) == told


def test_a_refusal_gives_the_advice_that_helps() -> None:
    def told(value: int) -> str:
        return refusal("t", ReasonCode(PacketTypes.PUBACK, identifier=value), None)

    assert told(0x97) == ("it refuses t: Quota exceeded; events and subscriptions are retried")
    assert told(0x90) == "it refuses t: Topic name invalid"


def test_of_a_brokers_words_a_line_is_told() -> None:
    code = ReasonCode(PacketTypes.PUBACK, "Not authorized")
    more = properties(PacketTypes.PUBACK, ReasonString="no\n" + "x" * 1000)
    told = refusal("t", code, more)
    assert "\n" not in told
    assert len(told) < WORDS + 100
    assert told.endswith("; check its access list")
    assert reason(code, None) == "Not authorized"


@pytest.mark.parametrize("value", range(0x80, 0x100))
def test_every_code_of_a_refusal_is_read(value: int) -> None:
    import edged.ports.mqtt.session  # noqa: F401

    for kind in (PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.SUBACK,
                 PacketTypes.DISCONNECT):  # fmt: skip
        code = ReasonCode(kind, identifier=value)
        code.unpack(bytes([value]))
        assert (code.value, code.is_failure, bool(code.getName())) == (value, True, True)
    assert helps_to_wait(ReasonCode(PacketTypes.PUBACK, identifier=value)) == (
        value in (0x91, 0x97)
    )
