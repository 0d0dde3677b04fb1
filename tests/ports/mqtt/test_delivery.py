"""The order of events between the loop, the disk and the broker, without threads or a broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from edged.ports.mqtt.delivery import GRACE_S, MEMORY_EVENTS, Delivery
from edged.spool import Spool


def payload(number: int) -> bytes:
    return json.dumps({"n": number, "replayed": False}).encode()


class Broker:
    """Takes packets while it is there; acknowledges when told."""

    def __init__(self) -> None:
        self.there = False
        self.got: list[tuple[int, bool]] = []
        self.unacknowledged: list[int] = []
        self._packet = 0

    def publish(self, sent: bytes) -> int | None:
        if not self.there:
            return None
        message = json.loads(sent)
        self.got.append((message["n"], message["replayed"]))
        self._packet += 1
        self.unacknowledged.append(self._packet)
        return self._packet


class Bench:
    """A delivery over a real spool, its broker and its clock."""

    made: ClassVar[list[Bench]] = []

    def __init__(self, path: Path, max_events: int = 100_000) -> None:
        self.path = path
        self.now_s = 100.0
        self.broker = Broker()
        self.spool = Spool(path, max_events) if max_events else None
        self.made.append(self)
        self.delivery = Delivery(
            self.spool,
            self.broker.publish,
            lambda: None,
            lambda: self.now_s,
        )

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.delivery.put(payload(number))

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

    def on_disk(self) -> list[int]:
        """What a new run would find; ends this one."""
        self.delivery.close()
        spool = Spool(self.path, 100_000)
        stored = [json.loads(row.payload)["n"] for row in spool.after(0, 100_000)]
        spool.close()
        return stored


@pytest.fixture(autouse=True)
def closed_spools() -> Iterator[None]:
    """Closes what the tests leave open, as a daemon's end would."""
    yield
    while Bench.made:
        if (spool := Bench.made.pop().spool) is not None:
            spool.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "events.db")


def test_while_connected_an_event_goes_out_at_once_and_unmarked(bench: Bench) -> None:
    bench.connect()
    bench.put(1)
    assert bench.broker.got == [(1, False)]


def test_an_event_acknowledged_at_once_never_touches_the_disk(bench: Bench) -> None:
    bench.connect()
    bench.put(1)
    bench.acknowledge()
    bench.now_s += 1.0
    bench.delivery.work()
    assert bench.on_disk() == []


def test_an_event_not_acknowledged_in_time_is_on_disk_until_it_is(bench: Bench) -> None:
    bench.connect()
    bench.put(1, 2)
    bench.now_s += 2 * GRACE_S
    bench.delivery.work()
    bench.acknowledge(1)
    assert bench.on_disk() == [2]


def test_events_made_while_away_are_sent_later_in_order_and_marked(bench: Bench) -> None:
    bench.put(1, 2, 3)
    bench.delivery.work()
    bench.connect()
    bench.acknowledge()
    bench.put(4)
    assert bench.broker.got == [(1, True), (2, True), (3, True), (4, False)]


def test_events_of_an_earlier_run_go_first(bench: Bench) -> None:
    bench.put(1, 2)
    bench.delivery.work()
    bench.delivery.close()
    second = Bench(bench.path)
    second.put(3)
    second.connect()
    assert second.broker.got == [(1, True), (2, True), (3, True)]


def test_a_newer_event_waits_for_the_older_ones_in_a_bounded_window(bench: Bench) -> None:
    bench.put(*range(10))
    bench.delivery.work()
    bench.connect(window=4)
    assert [number for number, _ in bench.broker.got] == [0, 1, 2, 3]
    bench.put(10)
    bench.delivery.work()
    assert len(bench.broker.got) == 4
    for _ in range(11):
        bench.acknowledge(1)
    assert [number for number, _ in bench.broker.got] == list(range(11))
    assert bench.on_disk() == []


def test_what_was_not_acknowledged_is_sent_again_after_the_connection_was_lost(
    bench: Bench,
) -> None:
    bench.connect()
    bench.put(1, 2, 3)
    bench.acknowledge(1)
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got[3:] == [(2, True), (3, True)]


def test_what_was_sent_again_and_not_acknowledged_is_sent_once_more(bench: Bench) -> None:
    bench.put(1, 2, 3)
    bench.delivery.work()
    bench.connect()
    bench.acknowledge(1)
    bench.lose_connection()
    bench.connect()
    assert bench.broker.got == [(1, True), (2, True), (3, True), (2, True), (3, True)]


def test_nothing_is_sent_twice_when_an_event_is_stored_while_it_is_under_way(
    bench: Bench,
) -> None:
    bench.connect()
    bench.put(1, 2)
    bench.now_s += 2 * GRACE_S
    bench.delivery.work()
    bench.acknowledge(1)
    # The network's queue is full for a moment, so that 3 has to wait behind the disk.
    bench.broker.there = False
    bench.put(3)
    bench.broker.there = True
    bench.delivery.work()
    bench.acknowledge()
    assert bench.broker.got == [(1, False), (2, False), (3, True)]
    assert bench.on_disk() == []


def test_losing_the_connection_over_and_over_loses_nothing(bench: Bench) -> None:
    for number in range(0, 300, 3):
        bench.put(number)
        bench.connect(window=5)
        bench.put(number + 1)
        bench.acknowledge(3)
        bench.put(number + 2)
        bench.delivery.work()
        bench.lose_connection()
    bench.connect(window=5)
    while bench.broker.unacknowledged:
        bench.acknowledge(1)
    received = [number for number, _ in bench.broker.got]
    assert set(received) == set(range(300))
    first_seen = list(dict.fromkeys(received))
    assert first_seen == sorted(first_seen)
    assert bench.on_disk() == []


def test_more_than_a_batch_on_disk_goes_out_in_order(bench: Bench) -> None:
    for start in range(0, 2500, 500):
        bench.put(*range(start, start + 500))
        bench.delivery.work()
    bench.connect()
    while bench.broker.unacknowledged:
        bench.acknowledge()
    assert [number for number, _ in bench.broker.got] == list(range(2500))
    assert bench.delivery.live


def test_a_bounded_spool_keeps_the_newest_and_counts_the_rest(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "events.db", max_events=3)
    for number in range(10):
        bench.put(number)
        bench.delivery.work()
    assert bench.delivery.dropped == 7
    bench.connect()
    assert [number for number, _ in bench.broker.got] == [7, 8, 9]


def test_without_a_spool_events_made_while_away_are_lost_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path / "none.db", max_events=0)
    bench.put(1, 2)
    bench.delivery.work()
    bench.connect()
    bench.put(3)
    assert bench.broker.got == [(3, False)]
    assert bench.delivery.dropped == 2
    assert len(caplog.records) == 1
    assert not (tmp_path / "none.db").exists()


def test_with_a_disk_that_fails_events_wait_in_bounded_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    bench = Bench(tmp_path / "state" / "events.db")
    bench.put(*range(MEMORY_EVENTS + 10))
    bench.delivery.work()
    bench.now_s += 60.0
    bench.delivery.work()
    assert bench.delivery.dropped == 10
    bench.connect()
    while bench.broker.unacknowledged:
        bench.acknowledge()
    assert bench.broker.got == [(number, True) for number in range(10, MEMORY_EVENTS + 10)]
    assert sum("cannot be stored" in record.message for record in caplog.records) == 1


def test_a_disk_that_works_again_takes_the_events_from_memory(tmp_path: Path) -> None:
    blocker = tmp_path / "state"
    blocker.write_text("")
    bench = Bench(blocker / "events.db")
    bench.put(1, 2)
    bench.delivery.work()
    blocker.unlink()
    bench.now_s += 60.0
    bench.delivery.work()
    assert bench.on_disk() == [1, 2]


def test_closing_keeps_on_disk_what_was_not_acknowledged(bench: Bench) -> None:
    bench.connect()
    bench.put(1, 2)
    bench.delivery.acknowledged(1)
    assert bench.on_disk() == [2]
