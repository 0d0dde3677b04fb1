"""The order of events between the loop, the journal and the broker, without threads or a broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edged.journal.entry import Page
from edged.journal.journal import MEMORY_EVENTS
from edged.journal.numbers import BLOCK
from edged.ports.mqtt.delivery import Delivery
from tests.journal.made import event, threadless

RETRY_S = (1.0, 60.0)


class Broker:
    """Takes packets while it is there; acknowledges when told."""

    def __init__(self) -> None:
        self.there = False
        self.got: list[Any] = []
        self.unacknowledged: list[int] = []
        self.most = 0
        self._packet = 0

    def publish(self, sent: bytes) -> int | None:
        if not self.there:
            return None
        said = json.loads(sent)
        if said["type"] == "event":
            self.got.append((said["number"], said["replayed"]))
        else:
            self.got.append((said["first"], said["last"], said["reason"]))
        self._packet += 1
        self.unacknowledged.append(self._packet)
        self.most = max(self.most, len(self.unacknowledged))
        return self._packet

    @property
    def numbers(self) -> list[int]:
        """Those of the events, as they came."""
        return [got[0] for got in self.got if len(got) == 2]


class Bench:
    """A delivery over a real journal, and its broker."""

    def __init__(self, path: Path, **bounds: int) -> None:
        self.path = path
        self.broker = Broker()
        self.journal = threadless(path, **bounds)
        self.consumer = self.journal.consumer("mqtt", lambda: None)
        self.journal.sync()
        self.delivery = Delivery(self.consumer, self.broker.publish, lambda: None, RETRY_S)

    def put(self, count: int = 1) -> list[int]:
        """So many events are recorded in one frame, and told to the port."""
        numbered = self.journal.record([event()] * count)
        for one in numbered:
            self.delivery.put(one.number)
        return [one.number for one in numbered]

    def connect(self, window: int = 100) -> None:
        self.broker.there = True
        self.delivery.connected(window)
        self.delivery.work()

    def lose_connection(self) -> None:
        self.broker.there = False
        self.broker.unacknowledged.clear()
        self.delivery.disconnected()
        self.delivery.work()

    def acknowledge(self, count: int | None = None) -> None:
        waiting = self.broker.unacknowledged
        for packet in waiting[:count]:
            self.delivery.acknowledged(packet)
        del waiting[: len(waiting) if count is None else count]
        self.delivery.work()

    def acknowledge_all(self) -> None:
        while self.broker.unacknowledged:
            self.acknowledge()

    def restart(self) -> Bench:
        """A clean end, and the next run."""
        self.delivery.disconnected()
        self.journal.close()
        return Bench(self.path)

    def kill(self) -> Bench:
        """Nothing is written any more, and the next run begins."""
        assert self.journal._store is not None
        self.journal._store.close()
        return Bench(self.path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "events.db")


def test_while_connected_an_event_goes_out_at_once_and_unmarked(bench: Bench) -> None:
    bench.connect()
    bench.put()
    assert bench.broker.got == [(1, False)]


def test_nothing_is_sent_before_it_is_known_what_the_broker_has(bench: Bench) -> None:
    bench.broker.there = True
    bench.delivery.connected(100)
    bench.put()
    assert bench.broker.got == []
    bench.delivery.work()
    assert bench.broker.got == [(1, True)]


def test_what_was_acknowledged_is_not_sent_in_the_next_run(bench: Bench) -> None:
    bench.connect()
    bench.put(3)
    bench.acknowledge(2)
    second = bench.restart()
    second.connect()
    assert second.broker.got == [(3, True)]


def test_events_made_while_away_are_sent_later_in_order_and_marked(bench: Bench) -> None:
    bench.put(3)
    bench.delivery.work()
    bench.connect()
    bench.acknowledge()
    bench.put()
    assert bench.broker.got == [(1, True), (2, True), (3, True), (4, False)]


def test_events_of_an_earlier_run_go_first(bench: Bench) -> None:
    bench.connect()
    bench.lose_connection()
    bench.put(2)
    second = bench.restart()
    second.put()
    second.connect()
    assert second.broker.got == [(1, True), (2, True), (3, True)]


def test_a_newer_event_waits_for_the_older_ones_in_a_bounded_window(bench: Bench) -> None:
    bench.put(10)
    bench.connect(window=4)
    assert bench.broker.numbers == [1, 2, 3, 4]
    bench.put()
    bench.delivery.work()
    assert len(bench.broker.got) == 4
    for _ in range(11):
        bench.acknowledge(1)
    assert bench.broker.numbers == list(range(1, 12))
    assert bench.delivery.live


def test_live_events_keep_to_the_window_of_the_broker_too(bench: Bench) -> None:
    bench.connect(window=3)
    bench.put(5)
    assert bench.broker.got == [(1, False), (2, False), (3, False)]
    bench.acknowledge(1)
    bench.acknowledge()
    assert bench.broker.got[3:] == [(4, True), (5, True)]
    assert bench.broker.most == 3
    bench.acknowledge()
    bench.put()
    assert bench.broker.got[-1] == (6, False)


def test_what_was_not_acknowledged_is_sent_again_after_the_connection_was_lost(
    bench: Bench,
) -> None:
    bench.connect()
    bench.put(3)
    bench.acknowledge(1)
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got[3:] == [(2, True), (3, True)]


def test_what_was_sent_again_and_not_acknowledged_is_sent_once_more(bench: Bench) -> None:
    bench.put(3)
    bench.connect()
    bench.acknowledge(1)
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got == [(1, True), (2, True), (3, True), (2, True), (3, True)]


def test_an_acknowledgement_out_of_order_leaves_the_cursor_before_the_hole(bench: Bench) -> None:
    bench.connect()
    bench.put(3)
    first, second, third = bench.broker.unacknowledged
    bench.delivery.acknowledged(third)
    bench.delivery.acknowledged(second)
    bench.delivery.work()
    assert bench.consumer.cursor == 0
    bench.delivery.acknowledged(first)
    bench.delivery.work()
    assert bench.consumer.cursor == 3


def test_an_acknowledgement_of_something_else_is_ignored(bench: Bench) -> None:
    bench.connect()
    bench.put()
    bench.delivery.acknowledged(4711)
    bench.delivery.work()
    assert bench.consumer.cursor == 0
    assert not bench.delivery.settled()


def test_what_was_acknowledged_just_before_the_end_counts(bench: Bench) -> None:
    bench.connect()
    bench.put(2)
    for packet in bench.broker.unacknowledged:
        bench.delivery.acknowledged(packet)
    bench.delivery.disconnected()
    assert bench.consumer.cursor == 2


def test_a_broker_that_takes_any_number_gets_a_hundred_at_a_time(bench: Bench) -> None:
    bench.put(150)
    bench.connect(window=65535)
    assert len(bench.broker.unacknowledged) == 100


def test_an_event_made_while_the_end_is_read_does_not_wait_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = bench.consumer.after

    def read_and_then_made(number: int, limit: int) -> Page:
        page = read(number, limit)
        if not bench.journal.last:
            bench.put()
        return page

    monkeypatch.setattr(bench.consumer, "after", read_and_then_made)
    bench.connect()
    assert bench.broker.got == [(1, True)]


def test_what_is_under_way_ends_before_it_starts_over(bench: Bench) -> None:
    bench.put(2)
    bench.connect(window=1)
    bench.consumer.behind = True
    bench.delivery._window = 3
    bench.delivery.work()
    assert bench.broker.got == [(1, True)]
    bench.acknowledge()
    assert bench.broker.got == [(1, True), (2, True)]


def test_what_was_read_ahead_counts_as_not_sent(bench: Bench) -> None:
    bench.put(50)
    bench.connect(window=2)
    bench.acknowledge()
    assert bench.consumer.cursor == 2


def test_an_event_that_the_network_does_not_take_waits_its_turn(bench: Bench) -> None:
    bench.connect()
    bench.put()
    bench.broker.there = False
    bench.put()
    bench.broker.there = True
    bench.put()
    bench.delivery.work()
    bench.acknowledge()
    assert bench.broker.got == [(1, False), (2, True), (3, True)]
    assert bench.consumer.cursor == 3


def test_an_older_event_that_the_network_does_not_take_waits_its_turn_too(bench: Bench) -> None:
    bench.put(2)
    bench.delivery.connected(100)
    bench.delivery.work()
    assert bench.broker.got == []
    bench.broker.there = True
    bench.delivery.work()
    assert bench.broker.got == [(1, True), (2, True)]


def test_losing_the_connection_over_and_over_loses_nothing(bench: Bench) -> None:
    for _ in range(100):
        bench.put()
        bench.connect(window=5)
        bench.put()
        bench.acknowledge(3)
        bench.put()
        bench.delivery.work()
        bench.lose_connection()
        bench.journal.sync()
    bench.connect(window=5)
    bench.acknowledge_all()
    first_seen = list(dict.fromkeys(bench.broker.numbers))
    assert first_seen == list(range(1, 301))
    assert bench.consumer.cursor == 300


def test_more_than_a_batch_goes_out_in_order(bench: Bench) -> None:
    for _ in range(25):
        bench.put(100)
        bench.journal.sync()
    bench.connect()
    bench.acknowledge_all()
    assert bench.broker.got == [(number, True) for number in range(1, 2501)]
    assert bench.delivery.live


def test_what_left_the_journal_is_told_as_a_gap_in_its_place(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "events.db", max_events=3)
    bench.connect()
    bench.lose_connection()
    for _ in range(10):
        bench.put()
        bench.journal.sync()
    bench.connect()
    assert bench.broker.got == [(1, 7, "full"), (8, True), (9, True), (10, True)]
    bench.acknowledge()
    bench.put()
    assert bench.broker.got[-1] == (11, False)
    assert bench.consumer.dropped == 7


def test_a_gap_that_was_not_acknowledged_is_told_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "events.db", max_events=1)
    bench.connect()
    bench.lose_connection()
    bench.put(3)
    bench.journal.sync()
    bench.connect()
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got == [(1, 2, "full"), (3, True)] * 2


def test_after_a_crash_what_may_have_been_lost_is_told_before_anything_new(bench: Bench) -> None:
    bench.connect()
    bench.put(2)
    bench.acknowledge()
    bench.journal.sync()
    second = bench.kill()
    second.connect()
    assert second.broker.got == [(3, BLOCK, "crash")]
    second.put()
    assert second.broker.got[-1] == (BLOCK + 1, False)


def test_numbers_that_leap_while_live_are_told_as_a_gap(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    bench.connect(window=100)
    monkeypatch.setattr("edged.journal.numbers.write_mark", full)
    for _ in range(BLOCK):
        bench.put()
        bench.acknowledge()
    bench.journal.sync()
    (beyond,) = bench.put()
    bench.delivery.work()
    assert bench.broker.got[-2:] == [(BLOCK + 1, beyond - 1, "crash"), (beyond, True)]
    bench.put()
    assert bench.broker.got[-1] == (beyond + 1, False)


def test_without_a_journal_what_is_made_while_away_waits_in_memory(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "none.db", max_events=0)
    first, second = bench.put(2)
    bench.connect()
    (third,) = bench.put()
    assert bench.broker.got == [(first, True), (second, True), (third, False)]
    assert not (tmp_path / "none.db").exists()


def test_with_a_disk_that_fails_events_wait_in_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    bench = Bench(tmp_path / "state" / "events.db")
    bench.journal.sync()
    numbers = [bench.put()[0] for _ in range(MEMORY_EVENTS + 10)]
    bench.connect()
    bench.acknowledge_all()
    assert bench.broker.got[0] == (numbers[0], numbers[9], "full")
    assert bench.broker.numbers == numbers[10:]
    assert bench.consumer.dropped == 10
    assert bench.delivery.live


def test_what_the_broker_has_is_not_lost_though_no_disk_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    bench = Bench(tmp_path / "state" / "events.db")
    with bench.journal:
        bench.connect()
        bench.put(3)
        bench.delivery.work()
        bench.acknowledge_all()
        bench.put(2)
        bench.acknowledge(1)
        bench.lose_connection()
    assert "1 events are lost: not stored, and not all read" in caplog.text


def test_a_disk_that_comes_back_gives_what_could_not_be_read(tmp_path: Path) -> None:
    first = Bench(tmp_path / "state" / "events.db")
    first.connect()
    first.lose_connection()
    first.put(2)
    first.journal.sync()
    first.journal.close()
    (tmp_path / "state").rename(tmp_path / "away")
    (tmp_path / "state").write_text("")
    bench = Bench(first.path)
    bench.connect()
    (one,) = bench.put()
    bench.delivery.work()
    (two,) = bench.put()
    assert bench.broker.got == [(one, True), (two, False)]
    (tmp_path / "state").unlink()
    (tmp_path / "away").rename(tmp_path / "state")
    bench.journal.sync()
    bench.delivery.work()
    assert len(bench.broker.got) == 2
    bench.acknowledge()
    again = bench.broker.got[2:]
    assert again == [(1, True), (2, True), (3, one - 1, "crash"), (one, True), (two, True)]
    bench.acknowledge_all()
    assert bench.consumer.cursor == two
    assert bench.delivery.live


def test_before_it_is_connected_nothing_is_live_and_nothing_sent(bench: Bench) -> None:
    bench.broker.there = True
    assert not bench.delivery.live
    bench.put()
    bench.delivery.work()
    assert bench.broker.got == []


def test_who_works_is_woken_for_what_cannot_go_at_once_and_for_nothing_else(bench: Bench) -> None:
    woken: list[str] = []
    bench.delivery = Delivery(
        bench.consumer, bench.broker.publish, lambda: woken.append("work"), RETRY_S
    )
    bench.put()
    assert woken == ["work"]
    bench.connect()
    assert woken == ["work", "work"]
    assert bench.delivery.live
    woken.clear()
    bench.put()
    assert woken == []
    bench.delivery.acknowledged(1)
    bench.delivery.refused(2, False)
    assert woken == ["work", "work"]


def test_an_acknowledgement_before_any_event_was_sent_is_that_of_no_event(bench: Bench) -> None:
    bench.put()
    bench.delivery.acknowledged(1)
    bench.delivery.work()
    assert bench.consumer.cursor == 0
    bench.connect()
    assert bench.broker.got == [(1, True)]


def test_a_new_connection_gets_all_that_was_not_acknowledged(bench: Bench) -> None:
    bench.connect()
    bench.put()
    bench.connect()
    assert bench.broker.got == [(1, False), (1, True)]


def test_what_was_lost_before_the_broker_had_it_is_counted(bench: Bench) -> None:
    bench.consumer.dropped = 5
    assert bench.delivery.dropped == 5


def test_how_many_events_came_late_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench.delivery._started_s -= 60.0
    bench.put(3)
    bench.connect()
    bench.acknowledge_all()
    bench.put()
    bench.acknowledge_all()
    bench.lose_connection()
    bench.connect()
    assert caplog.messages == ["events sent late: 3"]
    bench.lose_connection()
    bench.put()
    bench.connect()
    assert caplog.messages == ["events sent late: 3", "events sent late: 1"]


def test_what_comes_late_is_counted_anew_each_time_and_with_each_connection(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench.delivery._started_s -= 60.0
    bench.put(4)
    bench.connect(window=1)
    bench.lose_connection()
    bench.connect(window=3)
    bench.acknowledge_all()
    bench.put(5)
    bench.acknowledge_all()
    assert caplog.messages == ["events sent late: 4", "events sent late: 2"]


def test_the_time_that_the_first_connection_takes_makes_no_event_late(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench.put(2)
    bench.connect()
    bench.acknowledge_all()
    assert caplog.messages == []
    bench.put()
    bench.lose_connection()
    bench.put(3)

    restarted = bench.restart()
    restarted.put()
    restarted.connect()
    restarted.acknowledge_all()
    assert caplog.messages == ["events sent late: 4"]


def test_after_a_connection_is_lost_nothing_is_live_and_nothing_sent(bench: Bench) -> None:
    bench.connect()
    bench.delivery.disconnected()
    assert not bench.delivery.live
    bench.put()
    bench.delivery.work()
    assert bench.broker.got == []
    assert bench.delivery.settled()


def settled(bench: Bench, later_s: float = 10.0) -> None:
    """All is acknowledged, and some time has gone by since."""
    bench.acknowledge_all()
    clock = bench.delivery._clock
    bench.delivery._clock = lambda: clock() + later_s


def test_what_a_consumer_misses_is_sent_again_and_marked(bench: Bench) -> None:
    bench.connect()
    bench.put(3)
    settled(bench)
    bench.broker.got.clear()
    assert bench.delivery.resend_after(1, 5.0)
    bench.delivery.work()
    assert bench.broker.got == [(2, True), (3, True)]
    bench.acknowledge_all()
    bench.put()
    assert bench.broker.got[-1] == (4, False)


def test_of_several_consumers_the_one_that_misses_most_counts(bench: Bench) -> None:
    bench.connect()
    bench.put(3)
    settled(bench)
    bench.broker.got.clear()
    assert bench.delivery.resend_after(2, 5.0)
    assert bench.delivery.resend_after(0, 5.0)
    assert bench.delivery.resend_after(1, 5.0)
    bench.delivery.work()
    assert bench.broker.numbers == [1, 2, 3]


def test_what_the_broker_has_had_for_a_moment_only_is_not_sent_again(bench: Bench) -> None:
    bench.connect()
    bench.put(2)
    bench.acknowledge_all()
    assert not bench.delivery.resend_after(1, 5.0)
    settled(bench, later_s=5.0)
    assert bench.delivery.resend_after(1, 5.0)


@pytest.mark.parametrize("number", [3, 4])
def test_a_consumer_that_has_all_gets_nothing_again(bench: Bench, number: int) -> None:
    bench.connect()
    bench.put(3)
    settled(bench)
    assert not bench.delivery.resend_after(number, 5.0)
    bench.delivery.work()
    assert bench.broker.numbers == [1, 2, 3]


def test_after_a_restart_a_consumer_gets_what_an_earlier_run_sent(bench: Bench) -> None:
    bench.connect()
    bench.put(3)
    bench.acknowledge_all()
    second = bench.restart()
    second.connect()
    assert second.delivery.resend_after(1, 5.0)
    second.delivery.work()
    assert second.broker.got == [(2, True), (3, True)]
    assert second.delivery.dropped == 0
