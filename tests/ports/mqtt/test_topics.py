"""The tree of topics of one device, and where a stranger may have an answer."""

from __future__ import annotations

import pytest

from edged.config.schema import MqttConfig
from edged.ports.mqtt.topics import Topics

TOPICS = Topics(MqttConfig(prefix="home/edged/"), "porch")


def test_every_message_has_a_topic_of_its_own_under_the_device() -> None:
    topics = {name: topic for name, topic in vars(TOPICS).items() if name != "prefix"}
    assert len(set(topics.values())) == len(topics)
    assert topics.pop("root") == "home/edged/porch"
    assert all(topic.startswith("home/edged/porch/") for topic in topics.values())
    assert TOPICS.output_set("lamp") == "home/edged/porch/output/lamp/set"
    assert TOPICS.output_state("lamp") == "home/edged/porch/output/lamp/state"


@pytest.mark.parametrize(
    ("topic", "output"),
    [
        ("home/edged/porch/output/lamp/set", "lamp"),
        ("home/edged/porch/output//set", ""),
        ("home/edged/porch/output/lamp/state", None),
        ("home/edged/garage/output/lamp/set", None),
    ],
)
def test_the_output_that_is_to_be_set_is_named_by_the_topic(topic: str, output: str | None) -> None:
    assert TOPICS.output_of(topic) == output


@pytest.mark.parametrize(
    ("topic", "may_be"),
    [
        ("asker/1", True),
        ("x", True),
        ("home/edged2", True),
        ("home", True),
        ("x" * 256, True),
        ("x" * 257, False),
        ("", False),
        ("$SYS/x", False),
        ("a/+", False),
        ("a/#", False),
        ("a\0", False),
        ("home/edged", False),
        ("home/edged/porch/state", False),
        ("home/edged/garage/command", False),
        ("home/edged/porch/command/reply", True),
        ("home/edged/porch/command/reply/1", True),
        ("home/edged/porch/command/reply2", False),
    ],
)
def test_an_answer_goes_nowhere_where_it_could_be_taken_for_something(
    topic: str, may_be: bool
) -> None:
    assert TOPICS.may_be_answered_at(topic) == may_be
