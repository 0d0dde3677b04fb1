"""A broker that loses what it has acknowledged."""

from __future__ import annotations

import random
from pathlib import Path

from tests.mosquitto import needs_mosquitto, wait_until
from tests.receipts import scene, torment

pytestmark = needs_mosquitto("a broker that is killed")

KILLS = 6


def test_a_consumer_with_receipts_has_every_event_once_and_in_order(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        for _ in torment(made, KILLS, random.Random(7)):  # noqa: S311 (no secret)
            pass
        assert made.all_came(), (made.made, made.got)


def test_what_nobody_had_when_the_broker_died_comes_again(tmp_path: Path) -> None:
    with scene(tmp_path) as made:
        made.make(1)
        wait_until(lambda: made.got == [1])
        # The broker has these, and nobody else: the consumer is cut off first.
        made.consumer._client.on_message = lambda *_: None
        made.make(3)
        wait_until(made.port._delivery.settled)
        wait_until(lambda: made.port._delivery._consumer.cursor == 4)
        made.kill_broker()
        made.consumer._client.on_message = made.consumer._received
        assert made.all_came(), made.got
