"""Whatever happens to the broker, the disk and the process: no event is lost without a word."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from edged.journal import schema
from edged.journal.numbers import write_mark
from tests.ports.mqtt.test_delivery import Bench


class Disk:
    """Stands between the journal and its files, and fails as told."""

    def __init__(self) -> None:
        self.state = "well"
        self._opened = schema.opened
        self._write_mark = write_mark

    def opened(self, path: Path) -> Any:
        if self.state == "dead":
            raise sqlite3.OperationalError("disk I/O error")
        database, origin = self._opened(path)
        # No power fails here: what was handed to the system stays, and is not waited for.
        database.execute("PRAGMA synchronous = OFF")
        if self.state == "full":
            # Not below the size that it has: what needs a new page fails, as on a full disk.
            database.execute("PRAGMA max_page_count = 1")
        return database, origin

    def write_mark(self, path: Path, number: int) -> None:
        if self.state != "well":
            raise OSError(28, "No space left on device")
        self._write_mark(path, number)


class Machine(RuleBasedStateMachine):
    """A device in the field, beside a list of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.disk = Disk()
        for name, value in {
            "edged.journal.schema.opened": self.disk.opened,
            "edged.journal.numbers.write_mark": self.disk.write_mark,
            "edged.journal.numbers.BLOCK": 6,
            "edged.journal.journal.MEMORY_EVENTS": 40,
            "edged.journal.journal.DISK_WAIT_S": 0.0,
            "os.fsync": lambda _file: None,
        }.items():
            self.stack.enter_context(patch(name, value))
        self.made: list[int] = []
        self.heard: set[int] = set()
        self.gaps: set[tuple[int, int]] = set()
        self.may_be_lost: set[int] = set()
        self.untold: set[int] = set()
        self.trouble = False

    @initialize(max_events=st.sampled_from([8, 100_000]), seed=st.integers(0, 2**32))
    def begin(self, max_events: int, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.max_events = max_events
        self._start()

    def _start(self) -> None:
        self.bench = Bench(self.folder / "events.db", max_events=self.max_events)
        self.trouble = self.disk.state != "well"

    def _listen(self) -> None:
        for got in self.bench.broker.got:
            if len(got) == 3:
                self.gaps.add(got[:2])
            else:
                self.heard.add(got[0])
        if not self.trouble:
            ends = [got[-2] if len(got) == 3 else got[0] for got in self.bench.broker.got]
            assert ends == sorted(set(ends)), "in order of number within a connection"

    @rule(count=st.integers(1, 5))
    def an_event_is_made(self, count: int) -> None:
        self.made += self.bench.put(count)

    @rule()
    def the_writer_has_its_turn(self) -> None:
        self.bench.journal.sync()

    @rule()
    def the_worker_has_its_turn(self) -> None:
        self.bench.delivery.work()

    @precondition(lambda self: not self.bench.broker.there)
    @rule(window=st.integers(1, 6))
    def the_broker_comes(self, window: int) -> None:
        self.window = window
        self.bench.connect(window)

    @precondition(lambda self: self.bench.broker.there)
    @rule()
    def the_broker_goes(self) -> None:
        self._listen()
        self.bench.broker.got.clear()
        self.bench.lose_connection()

    @rule(some=st.booleans())
    def the_broker_acknowledges(self, some: bool) -> None:
        waiting = self.bench.broker.unacknowledged
        self.random.shuffle(waiting)
        self.bench.acknowledge(1 if some else None)

    @rule(state=st.sampled_from(["dead", "full"]))
    def the_disk_fails(self, state: str) -> None:
        self.disk.state = state
        self.trouble = True
        store = self.bench.journal._store
        assert store is not None
        store._close_database()

    @rule()
    def the_disk_works(self) -> None:
        self.disk.state = "well"

    @rule()
    def edged_ends_and_starts(self) -> None:
        self._listen()
        self.bench.delivery.disconnected()
        self.bench.journal.close()
        self._count_lost()
        self._start()

    @rule(harm=st.sampled_from(["none", "none", "torn row", "no mark", "rubbish", "no database"]))
    def edged_is_killed_and_starts(self, harm: str) -> None:
        self._listen()
        store = self.bench.journal._store
        assert store is not None
        store.close()
        self._count_lost()
        path = store.path
        mark = path.with_name("events.db.mark")
        # Without both nothing is left that could tell this device from a new one.
        if path.exists() and mark.exists():
            if harm == "torn row":
                self._tear_a_row(path)
            elif harm == "no mark":
                mark.unlink()
                # Nobody knows any more how far the numbers went that are not on disk.
                self.untold |= self.may_be_lost
            elif harm in ("rubbish", "no database"):
                self.may_be_lost |= set(self.made)
                path.write_bytes(b"rubbish" * 1000) if harm == "rubbish" else path.unlink()
        self._start()

    def _count_lost(self) -> None:
        journal = self.bench.journal
        lost = {entry.number for entry in journal._waiting}
        self.may_be_lost |= lost
        if journal._numbers._unreserved:
            # No disk knows of these numbers, and none can tell that they are missing.
            self.untold |= lost

    def _tear_a_row(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            try:
                rows = database.execute("SELECT number FROM event").fetchall()
            except sqlite3.DatabaseError:
                rows = []
            if rows:
                number = self.random.choice(rows)[0]
                database.execute("UPDATE event SET payload = x'7b' WHERE number = ?", (number,))
                self.may_be_lost.add(number)

    @invariant()
    def no_number_is_used_twice(self) -> None:
        assert len(set(self.made)) == len(self.made)

    @invariant()
    def the_window_is_kept(self) -> None:
        if hasattr(self, "bench") and self.bench.broker.there:
            assert len(self.bench.broker.unacknowledged) <= self.window

    def teardown(self) -> None:
        with self.stack:
            if hasattr(self, "bench"):
                self._check_the_whole_story()
                self.bench.journal.close()

    def _check_the_whole_story(self) -> None:
        self.disk.state = "well"
        self.bench.journal.sync()
        if not self.bench.journal._accepted:
            # Its numbers are higher than ours: "restart edged".
            self.edged_ends_and_starts()
        if not self.bench.broker.there:
            self.the_broker_comes(5)
        self.bench.delivery.work()
        for _ in range(2):
            self.bench.acknowledge_all()
        assert self.bench.delivery.live
        self._listen()
        made = set(self.made)
        assert self.heard <= made
        missing = made - self.heard
        told = {n for n in missing if any(first <= n <= last for first, last in self.gaps)}
        assert missing - told <= self.untold, "a gap tells what is missing"
        if self.max_events > 1000 and len(self.made) < 40:
            assert missing <= self.may_be_lost, "what was safe has arrived"
        assert self.bench.put() == [self.bench.broker.got[-1][0]], "and a new one comes at once"


Machine.TestCase.settings = settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestDelivery = Machine.TestCase
