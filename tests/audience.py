"""Who hears a whole daemon and commands it, by its brokers: is all as it should be?"""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.device import Subscriber
from tests.mosquitto import Broker, free_port, mosquitto, wait_until
from tests.observed import PATIENCE_S, Observed


def made_broker(folder: Path, more: str = "") -> Broker:
    """A mosquitto without persistence that forgets nothing while it runs; it has to be started."""
    program = mosquitto()
    assert program is not None
    port = free_port()
    config = folder / f"mosquitto-{port}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n"
        f"max_queued_messages 0\n{more}\n"
    )
    return Broker(port, "5", [program, "-c", str(config)])


class Audience:
    """Commands go to the first broker; events may come to any of them."""

    def __init__(self, daemon: Observed, *brokers: Broker) -> None:
        self._daemon, self._brokers = daemon, brokers
        self._subscribers = [Subscriber(broker.port) for broker in brokers]
        self._asked = 0

    def __enter__(self) -> Audience:
        for broker, subscriber in zip(self._brokers, self._subscribers, strict=True):
            broker.start()
            subscriber.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        for broker, subscriber in zip(self._brokers, self._subscribers, strict=True):
            subscriber.part()
            broker.stop()

    @property
    def subscriber(self) -> Subscriber:
        """That of the first broker."""
        return self._subscribers[0]

    def is_right(self, *, gaps_told: bool = True) -> None:
        """AssertionError unless commands work, and every event has come, once and in order.

        Each missing number is told in a gap; without a disk perhaps later.
        """
        wait_until(self._answers, PATIENCE_S)
        for value in (1.0, 0.0):
            self.subscriber.send("output/bell/set", f"{value:g}")
            wait_until(lambda wanted=value: self._bell() == wanted, PATIENCE_S)
        wait_until(lambda: self.subscriber.newest("availability") == "online", PATIENCE_S)
        self._has_all(gaps_told)
        assert "Traceback" not in self._daemon.running.log.read_text(), self._daemon.last_lines()

    def forget(self) -> None:
        """What was heard so far; events of now may have lower numbers."""
        for one in self._subscribers:
            one.hear()
            one.known.clear()
            one.heard.clear()
            one.gaps.clear()

    def _has_all(self, gaps_told: bool) -> None:
        last = self._daemon.made()[-1].number
        wait_until(lambda: last in self.known() or self._is_gap(last), PATIENCE_S)
        made = {event.number for event in self._daemon.made() if event.number <= last}
        missing = made - {*self.known()}
        assert not missing, f"missing: {sorted(missing)}"
        there = sorted(made | {*self.known()})
        for before, after in pairwise(there) if gaps_told else ():
            told = self._gaps_within(before + 1, after - 1)
            assert told == after - before - 1, f"no gap tells of all between {before} and {after}"

    def _gaps_within(self, first: int, last: int) -> int:
        """How many of these numbers a gap tells of."""
        told, up_to = 0, first - 1
        for gap_first, gap_last in sorted(gap for one in self._subscribers for gap in one.gaps):
            begin, end = max(gap_first, up_to + 1), min(gap_last, last)
            if begin <= end:
                told, up_to = told + end - begin + 1, end
        return told

    def _is_gap(self, number: int) -> bool:
        gaps = [gap for one in self._subscribers for gap in one.gaps]
        return any(first <= number <= last for first, last in gaps)

    def known(self) -> dict[int, Any]:
        """The events that came to any broker. AssertionError if there are two of one number."""
        known: dict[int, Any] = {}
        for one in self._subscribers:
            one.hear()
            for number, event in one.known.items():
                assert known.setdefault(number, event) == event, f"{number} is two events"
        return known

    def _bell(self) -> Any:
        return (self.subscriber.newest("output/bell/state") or {}).get("value")

    def _answers(self) -> bool:
        self._asked += 1
        self.subscriber.send("command", json.dumps({"command": "status", "id": self._asked}))
        time.sleep(0.1)
        reply = self.subscriber.newest("command/reply") or {}
        return bool(reply.get("id") == self._asked and reply["ok"])
