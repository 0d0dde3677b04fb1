"""What the broker is to retain."""

from __future__ import annotations

from edged.ports.mqtt.retained import Retained


def test_of_each_topic_the_newest_is_sent_once_in_the_order_of_waiting() -> None:
    retained = Retained()
    assert not retained
    retained.put("a", b"1")
    retained.put("b", b"1")
    retained.put("a", b"2")
    assert retained
    assert retained.take() == [("a", b"2"), ("b", b"1")]
    assert retained.take() == []
    assert not retained


def test_everything_is_sent_again_for_a_broker_that_may_have_forgotten() -> None:
    retained = Retained()
    retained.put("a", b"1")
    retained.put("b", b"1")
    retained.take()
    retained.put("b", b"2")
    retained.send_again()
    assert sorted(retained.take()) == [("a", b"1"), ("b", b"2")]
