"""Events that a broker refuses, without threads or a broker."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edged.ports.mqtt import delivery as module
from edged.ports.mqtt.delivery import NEVER, Delivery
from tests.ports.mqtt.test_delivery import Bench


class Refusing(Bench):
    """A bench whose broker also refuses, with a clock of its own."""

    def __init__(self, path: Path, **bounds: int) -> None:
        super().__init__(path, **bounds)
        self.now_s = 100.0
        self.delivery = Delivery(
            self.consumer, self.broker.publish, lambda: None, (1.0, 8.0), lambda: self.now_s
        )

    def refuse(self, count: int = 1, *, first: int = 0, again: bool = False) -> None:
        """So many of what waits for an answer, from the `first` of it on."""
        waiting = self.broker.unacknowledged
        for packet in waiting[first : first + count]:
            self.delivery.refused(packet, again)
        del waiting[first : first + count]
        self.delivery.work()

    def wait(self) -> float:
        """Until the delivery goes on by itself; how long that was."""
        due_s = self.delivery.due_in_s()
        assert due_s is not None
        self.now_s += due_s
        self.delivery.work()
        return due_s


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    """It waits one second more with each failure."""
    monkeypatch.setattr(module, "backoff_s", lambda failures, least_s, _: least_s * failures)
    return Refusing(tmp_path / "events.db")


def test_what_is_refused_for_good_is_counted_and_told_before_the_next(bench: Refusing) -> None:
    bench.connect()
    bench.put(3)
    bench.refuse(3)
    assert bench.delivery.refused_events == 3
    assert bench.consumer.cursor == 3
    bench.put()
    assert bench.broker.got[3:] == [(1, 3, "refused"), (4, False)]


def test_a_gap_that_is_refused_too_is_told_later_and_as_one(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse()
    bench.put()
    bench.refuse(2)
    bench.put()
    assert bench.broker.got[-2:] == [(1, 2, "refused"), (3, False)]
    assert bench.delivery.refused_events == 2


def test_a_gap_that_was_not_acknowledged_is_told_at_the_next_connection(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse()
    bench.put()
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got[-2:] == [(1, 1, "refused"), (2, True)]
    assert bench.delivery.refused_events == 1


def test_what_is_refused_for_now_is_sent_again_after_a_wait_that_grows(bench: Refusing) -> None:
    bench.connect()
    bench.put(2)
    bench.refuse(2, again=True)
    assert bench.broker.got == [(1, False), (2, False)]
    assert bench.wait() == 1.0
    bench.refuse(2, again=True)
    assert bench.wait() == 2.0
    bench.acknowledge()
    assert bench.delivery.due_in_s() is None
    assert bench.delivery.live
    assert bench.consumer.cursor == 2
    assert bench.delivery.refused_events == 0
    bench.put()
    bench.refuse(again=True)
    assert bench.wait() == 1.0


def test_while_it_waits_nothing_is_sent_and_the_cursor_stays(bench: Refusing) -> None:
    bench.connect()
    bench.put(3)
    bench.refuse(again=True)
    bench.put()
    bench.acknowledge()
    bench.delivery.work()
    assert len(bench.broker.got) == 3
    assert bench.consumer.cursor == 0
    assert not bench.delivery.live
    bench.wait()
    assert bench.broker.numbers[3:] == [1, 2, 3, 4]


def test_a_new_connection_waits_for_nothing(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse(again=True)
    bench.lose_connection()
    bench.connect()
    assert bench.delivery.due_in_s() is None
    assert bench.broker.numbers == [1, 1]


def test_what_never_fits_is_left_out_and_holds_nothing_up(bench: Refusing) -> None:
    bench.connect()
    publish = bench.delivery._publish
    bench.delivery._publish = lambda _: NEVER
    bench.put(2)
    bench.delivery.work()
    assert bench.consumer.cursor == 2
    bench.delivery._publish = publish
    bench.put()
    bench.acknowledge()
    assert bench.broker.got == [(1, 2, "refused"), (3, False)]
    assert (bench.delivery.refused_events, bench.consumer.cursor) == (2, 3)


def test_a_gap_that_the_network_does_not_take_waits_and_the_event_after_it_too(
    bench: Refusing,
) -> None:
    bench.connect()
    bench.put()
    bench.refuse()
    bench.broker.there = False
    bench.put()
    bench.broker.there = True
    bench.delivery.work()
    assert bench.broker.got[1:] == [(1, 1, "refused"), (2, True)]


def test_a_gap_that_the_broker_has_is_not_told_again(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse()
    bench.put()
    bench.acknowledge_all()
    bench.lose_connection()
    bench.connect()
    bench.put()
    assert bench.broker.got[1:] == [(1, 1, "refused"), (2, False), (3, False)]


def test_a_gap_is_told_once_in_a_later_connection(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse()
    bench.put()
    bench.lose_connection()
    bench.connect()
    bench.acknowledge_all()
    told = len(bench.broker.got)
    bench.lose_connection()
    bench.connect()
    bench.put()
    assert bench.broker.got[told:] == [(3, False)]


def test_what_the_broker_took_between_two_refusals_is_part_of_no_gap(bench: Refusing) -> None:
    bench.connect()
    bench.put(3)
    bench.refuse()
    bench.refuse(first=1)
    bench.acknowledge()
    bench.put()
    assert bench.broker.got[3:] == [(1, 1, "refused"), (3, 3, "refused"), (4, False)]


def test_refusals_that_meet_are_one_gap(bench: Refusing) -> None:
    bench.connect()
    bench.put(3)
    bench.refuse(2, first=1)
    bench.put()
    assert bench.broker.got[3:] == [(2, 3, "refused"), (4, False)]
    bench.refuse(2)
    bench.acknowledge()
    bench.put()
    assert bench.broker.got[5:] == [(1, 3, "refused"), (5, False)]


def test_one_that_is_sent_again_is_in_no_gap_before_and_counts_once_if_refused_again(
    bench: Refusing,
) -> None:
    bench.connect()
    bench.put(2)
    bench.refuse(first=1)
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got[2:] == [(1, True), (2, True)]
    bench.refuse(first=1)
    assert bench.delivery.refused_events == 1


def test_a_gap_ends_where_entries_are_sent_again(bench: Refusing) -> None:
    bench.connect()
    bench.put(2)
    bench.refuse()
    # A disk that fails keeps the cursor where it is.
    bench.consumer.skip(2)
    bench.refuse()
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got[2:] == [(1, 1, "refused"), (2, True)]


def test_a_gap_of_the_journal_that_is_refused_counts_as_no_event(tmp_path: Path) -> None:
    bench = Refusing(tmp_path / "events.db", max_events=3)
    bench.connect()
    bench.lose_connection()
    for _ in range(5):
        bench.put()
        bench.journal.sync()
    bench.connect()
    assert bench.broker.got[0] == (1, 2, "full")
    bench.refuse(2)
    assert bench.delivery.refused_events == 1


def test_who_comes_late_for_the_next_try_does_not_wait(bench: Refusing) -> None:
    bench.connect()
    bench.put()
    bench.refuse(again=True)
    bench.now_s += 0.5
    assert bench.delivery.due_in_s() == 0.5
    bench.now_s += 9.5
    assert bench.delivery.due_in_s() == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_whatever_a_broker_refuses_no_event_is_lost_without_a_word(
    bench: Refusing, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    made: list[int] = []
    window = 5
    for _ in range(80):
        match chance.choice(["put", "put", "yes", "yes", "no", "later", "cut", "wait"]):
            case "put":
                made += bench.put(chance.randint(1, 3))
                bench.delivery.work()
            case "yes":
                bench.acknowledge(chance.randint(1, 3))
            case "no":
                bench.refuse()
            case "later":
                bench.refuse(again=True)
            case "cut":
                bench.lose_connection()
                bench.connect(window)
            case _:
                if bench.delivery.due_in_s() is not None:
                    bench.wait()
    bench.lose_connection()
    bench.connect(window)
    made += bench.put()
    for _ in range(100):
        bench.acknowledge()
    heard = set(bench.broker.numbers)
    gaps = [got for got in bench.broker.got if len(got) == 3]
    told = {number for first, last, _ in gaps for number in range(first, last + 1)}
    assert set(made) <= heard | told
    assert bench.consumer.cursor == made[-1]
    assert bench.delivery.live
