"""What the broker is to retain no longer, and what could not be sent."""

from __future__ import annotations

from edged.ports.mqtt.memory import Memory
from edged.ports.mqtt.retained import NOTES, Retained


def retaining(*topics: str) -> tuple[Retained, Memory]:
    memory = Memory(None, "porch")
    memory.retain(topics)
    return Retained(memory), memory


def test_what_could_not_be_sent_waits_on() -> None:
    retained, _ = retaining()
    retained.put("a", b"1")
    assert retained.take() == [("a", b"1")]
    retained.again("a")
    assert retained.take() == [("a", b"1")]


def test_what_is_retained_is_known_before_it_is_sent() -> None:
    retained, memory = retaining()
    retained.put("a", b"1")
    assert memory.retained == ["a"]


def test_a_topic_is_forgotten_when_the_broker_has_confirmed_that_it_is_empty() -> None:
    retained, memory = retaining("a", "b")
    retained.put("a", b"")
    retained.take()
    retained.emptied("a", 5)
    retained.acknowledged(4)
    retained.settle()
    assert memory.retained == ["a", "b"]
    retained.acknowledged(5)
    retained.settle()
    assert memory.retained == ["b"]
    retained.send_again()
    assert retained.take() == []


def test_one_that_is_to_be_emptied_twice_is_emptied_once() -> None:
    retained, memory = retaining("a")
    retained.put("a", b"")
    retained.take()
    retained.emptied("a", 5)
    retained.put("a", b"")
    retained.acknowledged(5)
    retained.settle()
    assert (retained.take(), memory.retained) == ([], [])


def test_one_that_is_retained_anew_meanwhile_stays_known() -> None:
    retained, memory = retaining("a")
    retained.put("a", b"")
    retained.take()
    retained.emptied("a", 5)
    retained.put("a", b"1")
    retained.acknowledged(5)
    retained.settle()
    assert (retained.take(), memory.retained) == ([("a", b"1")], ["a"])


def test_numbers_of_packets_mean_nothing_in_the_next_connection() -> None:
    retained, memory = retaining("a")
    retained.put("a", b"")
    retained.take()
    retained.emptied("a", 5)
    retained.send_again()
    retained.acknowledged(5)
    retained.settle()
    assert (retained.take(), memory.retained) == ([("a", b"")], ["a"])


def test_acknowledgements_that_nobody_looks_at_are_bounded() -> None:
    retained, _ = retaining()
    for packet in range(NOTES + 5):
        retained.acknowledged(packet)
    assert len(retained._acknowledged) == NOTES
