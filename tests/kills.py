"""A whole daemon that is killed, or whose power is cut, while its broker goes up and down."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.audience import made_broker
from tests.device import Subscriber
from tests.mosquitto import wait_until
from tests.observed import PATIENCE_S, Observed
from tests.power import Disk

WINDOW_MS = 50.0
"""Events that were made so long before may be lost (docs/reliability.md)."""

MQTT = """\
host = "127.0.0.1"
port = {port}
retry_min_s = 0.05
retry_max_s = 0.2
"""


class Killed:
    """The daemon, which makes 25 events a second, and who hears them.

    ``power`` is its disk, where the power is cut instead of a kill.
    """

    def __init__(self, folder: Path, power: Disk | None, stack: ExitStack) -> None:
        self.broker = made_broker(folder)
        self.power = power
        state = power.place / "state" if power else None
        lines = MQTT.format(port=self.broker.port)
        self.daemon = Observed(folder, lines, state=state, each=2)
        self.broker.start()
        stack.callback(self.broker.stop)
        self._subscriber = Subscriber(self.broker.port)
        self._subscriber.connect()
        stack.callback(self._subscriber.part)
        stack.callback(self._end)
        self._is_up = True
        self._checked = 0

    def _end(self) -> None:
        if self.daemon.running.status() is None:
            self.daemon.running.stop(signal.SIGKILL)

    def switch_broker(self) -> None:
        """Off or on; what a broker without persistence forgets is not the daemon's to keep."""
        if self._is_up:
            self._subscriber.part()
            self.broker.stop()
        else:
            self.broker.start()
            self._subscriber.connect()
        self._is_up = not self._is_up

    def once(self, chance: random.Random) -> float:
        """One start and one end; how long before its end the oldest lost event was made, in ms.

        AssertionError where what is left is not right.
        """
        daemon = self.daemon
        before = len(daemon.made())
        daemon.start()
        daemon.at_real_time()
        wait_until(lambda: len(daemon.made()) > before, PATIENCE_S)
        for _ in range(chance.randrange(3)):
            time.sleep(chance.uniform(0.0, 0.3))
            if chance.random() < 0.3:
                self.switch_broker()
        time.sleep(chance.uniform(0.0, 0.3))
        ended_s = time.monotonic()
        if self.power is not None:
            self.power.cut()
        daemon.running.stop(signal.SIGKILL)
        if self.power is not None:
            self.power.unmount()
            self.power.mount()
        return self._check(ended_s)

    def _check(self, ended_s: float) -> float:
        self._subscriber.hear()
        told = self.daemon.events()
        events = {one["number"]: one for one in told if one["type"] == "event"}
        assert list(events) == sorted(events), "out of order"
        gaps = [(one["first"], one["last"]) for one in told if one["type"] == "gap"]
        made = self.daemon.made()
        numbers = [event.number for event in made]
        assert numbers == sorted({*numbers}), "a number was used twice"
        lost = [event for event in made if event.number not in events]
        # The numbers of the last run are told as a gap when there are higher ones.
        for event in lost:
            is_told = any(first <= event.number <= last for first, last in gaps)
            assert is_told or event.number > max(events), f"nothing tells of {event.number}"
        for number, event in self._subscriber.known.items():
            stored = events.get(number)
            assert stored is None or {**stored, "replayed": None} == event, f"{number} differs"
        # The losses of the runs before have been counted.
        ages_ms = [1e3 * (ended_s - one.recorded_s) for one in lost if one.number > self._checked]
        self._checked = numbers[-1]
        return max([0.0, *ages_ms])


@contextmanager
def killed(
    folder: Path, block_bytes: int | None = None
) -> Iterator[Callable[[random.Random], float]]:
    """`Killed.once` of a new daemon; with the size of its disk's blocks, of a power cut."""
    with ExitStack() as stack:
        disk = stack.enter_context(Disk(folder, block_bytes)) if block_bytes else None
        yield Killed(folder, disk, stack).once
