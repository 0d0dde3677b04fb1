"""The journal: every event gets a number, goes to disk, and waits there for each consumer."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from edged.clock import read as read_clock
from edged.config.schema import JournalConfig
from edged.core import Event
from edged.errors import PortError
from edged.journal.consumer import Consumer
from edged.journal.entry import Entry, Page
from edged.journal.gaps import Losses, gap, with_gaps
from edged.journal.numbers import Numbers
from edged.journal.paths import journal_path
from edged.journal.schema import Read
from edged.journal.store import Store
from edged.messages import events as messages
from edged.messages.events import GapReason
from edged.messages.message import Moment
from edged.messages.replies import JournalMetrics

log = logging.getLogger(__name__)

T = TypeVar("T")

MEMORY_EVENTS = 2000
"""Events held in memory for a slow or failed disk, or without one."""

CURSOR_S = 1.0
"""How long the cursor on disk may lag: this spares an SD card."""

DISK_RETRY_S = 5.0
"""The wait before a failed disk is retried."""

DISK_WAIT_S = 1.0
"""How long threads other than the writer wait for the disk before they continue without it."""

CLOSE_S = 5.0
"""At the end, the time for the last events to reach the disk."""


class Journal:
    """Numbers events, stores them on disk within limits, and has a cursor for each consumer.

    Threads: only the loop calls `record`; consumers call from any thread. A writer thread stores
    what is recorded within ``sync_s``, and reserves numbers in advance. `record` waits for the disk
    only with ``sync_s = 0``, and at most `DISK_WAIT_S` if more events occur at once than numbers
    are reserved. Entering starts the writer without waiting; leaving writes what is left.

    While the disk fails, events wait in memory, and numbers that cannot be reserved are taken from
    a range far from those of any run. Consumers read what they missed once the disk works again.
    ``events`` counts the events since the start, by rule.
    """

    def __init__(
        self,
        device: str,
        config: JournalConfig,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        *,
        left_open: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """The writer calls `left_open` once with the rules that an earlier run did not end."""
        self._left_open = left_open
        self._device = device
        self._sync_s = config.sync_s
        self._clock = clock
        self._wall_clock = wall_clock
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        # Held during disk access, which may take long. Taken before `_lock`, never after it.
        self._disk = threading.Lock()
        self._hangs = False
        self._store: Store | None = None
        self._accepted = False
        # Guards everything below; held for microseconds, and never during disk access.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._readers: list[Consumer] = []
        self._numbers = Numbers()
        self._last = 0
        self._newest: dict[int, bytes] = {}
        self.events: Counter[str] = Counter()
        self._waiting: deque[Entry] = deque()
        self._waiting_since_s = 0.0
        # Up to here everything is, or was, on disk; newer events are, or were, in memory.
        self._on_disk = 0
        self._full_up_to = 0
        self._damaged: set[int] = set()
        self._cursors_since_s: float | None = None
        self._error: str | None = None
        self._retry_s = 0.0
        self._closing = False
        if config.max_events:
            path = journal_path(config, device)
            self._store = Store(path, config.max_events, config.max_bytes, wall_clock)
        else:
            self._leap()

    def __enter__(self) -> Journal:
        if self._store is None:
            log.warning("journal.max_events is 0: memory holds at most %d events", MEMORY_EVENTS)
        else:
            self._writer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._writer.is_alive():
            self._writer.join(CLOSE_S)
        with self._lock:
            readers = self._readers
            waiting = [entry.number for entry in self._waiting]
            lost = sum(not readers or not all(r.has(one) for r in readers) for one in waiting)
        if lost:
            log.error("%d events are lost: not stored, and not all read", lost)

    @property
    def last(self) -> int:
        """The newest number there is."""
        return self._last

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """The same events with their numbers; they are stored from now on."""
        if not events:
            return ()
        self.events.update(event.rule for event in events)
        with self._changed:
            first = self._take_numbers(len(events))
        moment = Moment.now(self._device, self._clock, self._wall_clock)
        numbered = tuple(
            msgspec.structs.replace(event, number=number)
            for number, event in enumerate(events, first)
        )
        told = [messages.event(event, moment) for event in numbered]
        payloads = {event.number: event.json() for event in told}
        entries = [Entry(*item) for item in payloads.items()]
        if not moment.synced:
            reading = read_clock(self._wall_clock)
            entries = [Entry(event.number, messages.kept(event, reading)) for event in told]
        with self._changed:
            if not self._waiting:
                self._waiting_since_s = moment.now_s
            self._waiting.extend(entries)
            self._last = entries[-1].number
            self._newest = payloads
            while len(self._waiting) > MEMORY_EVENTS:
                self._full_up_to = self._waiting.popleft().number
                self._lose(self._full_up_to)
            self._changed.notify_all()
            if self._sync_s == 0:
                self._wait_for_disk()
        return numbered

    def metrics(self) -> JournalMetrics:
        """The journal's counters and state."""
        with self._lock:
            return JournalMetrics(last=self._last, waiting=len(self._waiting), error=self._error)

    def consumer(self, name: str, wake: Callable[[], None]) -> Consumer:
        """The consumer with this name, created once; an unknown one begins with new events."""
        with self._changed:
            cursor = self._last if self._store is None else None
            consumer = Consumer(name, self, self._lock, wake, cursor)
            self._readers.append(consumer)
            self._changed.notify_all()
        return consumer

    def newest(self, number: int) -> bytes | None:
        """The JSON of one of the events that were recorded last."""
        return self._newest.get(number)

    def page(self, consumer: Consumer, after: int, limit: int) -> Page:
        """The next page of `consumer` after a number: from disk, then from memory."""
        # Who has waited in vain does not wait again: others depend on a consumer's thread.
        ours = self._disk.acquire(timeout=0.0 if self._hangs else DISK_WAIT_S)
        self._hangs = not ours
        try:
            read = self._try(lambda store: store.after(after, limit)) if ours else None
            with self._lock:
                return self._page(consumer, after, read)
        finally:
            if ours:
                self._disk.release()

    def gap(self, first: int, last: int, reason: GapReason) -> bytes:
        """The JSON of a gap, dated now."""
        moment = Moment.now(self._device, self._clock, self._wall_clock)
        return gap(first, last, reason, moment)

    def cursor_moved(self) -> None:
        """A consumer has advanced; its cursor will be written later."""
        with self._changed:
            if self._cursors_since_s is None:
                self._cursors_since_s = self._clock()
                self._changed.notify_all()

    def sync(self) -> None:
        """Write everything to disk now. A failure is logged once."""
        with self._disk:
            if self._try(self._sync) is None:
                self._retry_s = self._clock() + DISK_RETRY_S
            else:
                self._tell_disk_works()

    def close(self) -> None:
        """Write what is left and the used numbers, and close the files."""
        self.sync()
        with self._disk:
            if self._store is not None:
                if self._accepted:
                    self._try(lambda store: store.reserve(self._numbers.next - 1))
                self._store.close()

    def _write(self) -> None:
        while not self._closing:
            with self._changed:
                while (wait_s := self._due_in_s()) is None or wait_s > 0.0:
                    self._changed.wait(wait_s)
            self.sync()
        self.close()

    def _due_in_s(self) -> float | None:
        """When to write next, in s; None for after the next change."""
        if self._closing:
            return 0.0
        now_s = self._clock()
        due_s = []
        if (
            self._error is not None
            or self._numbers.to_reserve() is not None
            or any(not one.known or (one.skipped and not one.behind) for one in self._readers)
        ):
            due_s.append(now_s)
        if self._waiting:
            # Half of the time is left for the disk.
            due_s.append(self._waiting_since_s + self._sync_s / 2)
        if self._cursors_since_s is not None:
            due_s.append(self._cursors_since_s + CURSOR_S)
        if not due_s:
            return None
        return max(0.0, max(min(due_s), self._retry_s) - now_s)

    def _sync(self, store: Store) -> bool:
        with self._lock:
            target = self._numbers.to_reserve()
        if target is not None:
            store.reserve(target)
            with self._changed:
                self._numbers.reserved(target)
                self._changed.notify_all()
        with self._lock:
            events = list(self._waiting)
            cursors = {reader.name: reader.cursor for reader in self._readers if reader.known}
            moved = self._cursors_since_s is not None
            store.full_up_to = max(store.full_up_to, self._full_up_to)
        gone: list[int] = []
        if events or moved:
            gone = store.append(events, cursors)
        with self._changed:
            if events:
                self._on_disk = events[-1].number
            while self._waiting and self._waiting[0].number <= self._on_disk:
                self._waiting.popleft()
            self._waiting_since_s = self._clock()
            if all(reader.cursor == cursors.get(reader.name) for reader in self._readers):
                self._cursors_since_s = None
            for number in gone:
                self._lose(number)
            self._changed.notify_all()
        return True

    def _try(self, work: Callable[[Store], T]) -> T | None:
        """The result of `work`; None without a disk, or if it fails, which is logged once."""
        if self._store is None:
            return None
        try:
            self._open(self._store)
            return work(self._store)
        except PortError as error:
            mark = None if self._accepted else self._store.glimpse()
            with self._changed:
                if mark is not None and self._last == 0:
                    # Numbers assigned without the disk must be higher than those on it.
                    self._numbers.start_after(mark)
                told, self._error = self._error, str(error)
                self._changed.notify_all()
            if told is None:
                log.error("%s; memory holds at most %d events", error, MEMORY_EVENTS)
            return None

    def _open(self, store: Store) -> None:
        store.open()
        mark = store.mark
        with self._lock:
            if not self._accepted:
                if self._last == 0:
                    self._numbers.start_after(mark)
                    self._last = self._on_disk = mark
                elif mark > self._on_disk:
                    raise PortError(
                        f"{store.path}: events cannot be stored: their numbers since the start are "
                        "lower than those in the file; restart edged"
                    )
            accepted, self._accepted = self._accepted, True
            unknown = [reader for reader in self._readers if not reader.known]
        if not accepted and store.held_at_start and self._left_open is not None:
            self._left_open(store.held_at_start)
        for reader in unknown:
            cursor = store.cursor(reader.name)
            with self._lock:
                reader.cursor = store.last_at_start if cursor is None else cursor
                reader.known = reader.behind = True
                self._cursors_since_s = self._clock()
            reader.wake()

    def _tell_disk_works(self) -> None:
        with self._lock:
            error, self._error = self._error, None
            self._retry_s = 0.0
            late = [reader for reader in self._readers if reader.skipped]
            for reader in late:
                reader.behind = True
        if error is not None and self._store is not None:
            log.info("%s: events are stored again", self._store.path)
        for reader in late:
            reader.wake()

    def _page(self, consumer: Consumer, after: int, read: Read | None) -> Page:
        if consumer.behind:
            # The disk has been opened in the meantime, and the cursor is different.
            return Page((), after)
        events: list[Entry] = []
        damaged: Sequence[int] = ()
        end: int | None = None
        if read is not None:
            events, damaged, end = list(read.events), read.damaged, read.up_to
            if damaged and not self._damaged:
                log.error("journal: event %d, perhaps more, can no longer be read", damaged[0])
            for number in damaged:
                self._lose(number)
            self._damaged.update(damaged)
        elif after < self._on_disk:
            after = self._on_disk
            consumer.skip(after)
        if end is None:
            events = [entry for entry in self._waiting if entry.number > after]
            end = self._last
        moment = Moment.now(self._device, self._clock, self._wall_clock)
        full_up_to, replaced_up_to = self._full_up_to, 0
        if (store := self._store) is not None:
            full_up_to = max(full_up_to, store.full_up_to)
            replaced_up_to = store.replaced_up_to
        return with_gaps(events, after, end, Losses(full_up_to, replaced_up_to, damaged), moment)

    def _take_numbers(self, count: int) -> int:
        if not self._numbers.may_give(count):
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._numbers.may_give(count) or self._error is not None, DISK_WAIT_S
            )
            if not self._numbers.may_give(count):
                self._leap()
        return self._numbers.give(count)

    def _leap(self) -> None:
        self._numbers.leap(self._wall_clock())
        if not self._accepted:
            self._last = self._on_disk = self._numbers.next - 1

    def _wait_for_disk(self) -> None:
        while self._error is None and self._on_disk < self._last and self._writer.is_alive():
            self._changed.wait(DISK_WAIT_S)

    def _lose(self, number: int) -> None:
        """An event is lost for every consumer that has not read it."""
        if number in self._damaged:
            # Counted when it was read.
            return
        for reader in self._readers:
            if not reader.has(number):
                reader.dropped += 1
                if not reader.loss_told:
                    reader.loss_told = True
                    log.warning(
                        "events were lost before %s read them; its gap says why", reader.name
                    )
