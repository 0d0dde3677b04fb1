"""Delivers every event to the broker, in order: at once, or later from the journal."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from edged.backoff import backoff_s
from edged.journal.consumer import Consumer
from edged.journal.entry import Entry
from edged.messages.events import replayed

log = logging.getLogger(__name__)

WINDOW = 100
"""The most unacknowledged events."""

NEVER = 0
"""In place of a packet's number, which is at least 1: the broker will never accept this payload."""

BATCH = 200
"""Entries read ahead from the journal."""


PASSED = 1000
"""The most moments that are known of the cursor's way."""

FIRST_CONNECTION_S = 10.0
"""The first connection may take this long without counting as an outage."""


class Delivery:
    """Orders events between the loop, the journal and the broker.

    Threads: the loop calls `put`, the connection `connected` and `disconnected`, the network's
    thread `acknowledged`, any thread `refused`; only the worker calls `work`, which may wait for
    the disk.

    ``publish`` sends one payload and returns its packet number, `NEVER`, or None while the broker
    is unreachable or accepts no more. ``wake`` is called when `work` has something to do, and
    `work` has something to do after `due_in_s`, too. ``retry_s`` is how long to wait, first and
    longest, when the broker accepts nothing at present.

    While ``live``, `put` itself publishes an event. Otherwise `work` sends the journal's events,
    oldest first and marked as replayed, and becomes live at the end. The cursor in the journal
    follows the contiguous acknowledgements; a new connection resends everything after it. An event
    that the broker refuses permanently is skipped: it stays in the journal, and subscribers get a
    gap. ``refused_events`` counts them. If waiting helps, everything is resent from the refused
    event on.
    """

    def __init__(
        self,
        consumer: Consumer,
        publish: Callable[[bytes], int | None],
        wake: Callable[[], None],
        retry_s: tuple[float, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused_events = 0
        self._retry_s = retry_s
        self._clock = clock
        self._consumer = consumer
        self._publish = publish
        self._wake = wake
        # Guards everything below. Held while publishing, so that an acknowledgement, which the
        # network's thread only puts into a deque, always finds its event registered.
        self._lock = threading.Lock()
        self._live = False
        self._window = 0
        self._read_up_to = 0
        self._ahead: deque[Entry] = deque()
        self._in_flight: dict[int, Entry] = {}
        self._acknowledged: deque[int] = deque()
        self._refusals: deque[tuple[int, bool]] = deque()
        # Skipped numbers, first and last, not yet reported as a gap.
        self._untold: list[tuple[int, int]] = []
        self._gaps: dict[int, tuple[int, int]] = {}
        self._hold_after: int | None = None
        self._resume_s: float | None = None
        self._failures = 0
        self._refused_up_to = 0
        self._late = 0
        self._started_s = clock()
        self._first: int | None = None
        self._resend_after: int | None = None
        # Where the cursor was, and since when.
        self._passed: deque[tuple[int, float]] = deque(maxlen=PASSED)

    @property
    def live(self) -> bool:
        """Whether an event is sent at once: connected, and no older one is left."""
        return self._live

    @property
    def dropped(self) -> int:
        """Events that left the journal before the broker received them."""
        return self._consumer.dropped

    def settled(self) -> bool:
        """Whether every event sent in this connection has been acknowledged."""
        return not self._in_flight

    def put(self, number: int) -> None:
        """The journal has recorded an event. Publishing only passes it to the network's thread."""
        with self._lock:
            self._first = self._first or number
            if self._live:
                next_one = number == self._read_up_to + 1 and len(self._in_flight) < self._window
                payload = self._consumer.newest(number) if next_one else None
                self._live = payload is not None and self._send(Entry(number, payload), payload)
            if self._live:
                self._read_up_to = number
        if not self._live:
            self._wake()

    def acknowledged(self, packet: int) -> None:
        """The broker has this packet; one that is not an event is ignored."""
        # No lock: the network library calls this under a lock of its own, which `put` needs.
        self._acknowledged.append(packet)
        self._wake()

    def refused(self, packet: int, again: bool) -> None:
        """The broker refuses this packet; `again`: it may accept it later."""
        self._refusals.append((packet, again))
        self._wake()

    def resend_after(self, number: int, settled_s: float) -> bool:
        """Send everything after `number` again, if the broker has had the next one for that long.

        False if not: nothing is known to be missing.
        """
        with self._lock:
            if number >= self._consumer.cursor:
                return False
            passed_s = next((at_s for cursor, at_s in self._passed if cursor > number), -math.inf)
            if self._clock() - passed_s < settled_s:
                return False
            held = self._resend_after
            self._resend_after = number if held is None else min(held, number)
        self._wake()
        return True

    def due_in_s(self) -> float | None:
        """When `work` continues by itself; None: when it is woken."""
        with self._lock:
            return None if self._resume_s is None else max(0.0, self._resume_s - self._clock())

    def connected(self, window: int) -> None:
        """A new connection, whose broker accepts `window` unacknowledged messages."""
        with self._lock:
            self._start_over()
            self._window = max(1, min(WINDOW, window))
            self._late = 0
        self._wake()

    def disconnected(self) -> None:
        """The connection is lost, and its network thread has ended."""
        with self._lock:
            self._settle()
            self._window = 0
            self._start_over()

    def work(self) -> None:
        """Do the work that is due now."""
        while self._send_on():
            self._read_on()

    def _send_on(self) -> bool:
        """Send what was read ahead; true if more has to be read first."""
        with self._lock:
            self._settle()
            if self._resend_after is not None:
                self._consumer.go_back(self._resend_after)
                self._resend_after = None
                self._start_over()
            if self._hold_after is not None and not self._may_resume():
                return False
            if self._consumer.behind and not self._in_flight:
                self._start_over()
            while not self._live and len(self._in_flight) < self._window:
                if self._consumer.behind:
                    # Messages in flight are completed first.
                    return False
                if not self._ahead:
                    return True
                entry = self._ahead[0]
                payload = entry.payload if entry.first is not None else replayed(entry.payload)
                if not self._send(entry, payload):
                    return False
                self._ahead.popleft()
                self._late += self._is_late(entry)
        return False

    def _is_late(self, entry: Entry) -> bool:
        """Whether an outage delayed it, not the time of the first connection."""
        of_this_run = self._first is not None and entry.number >= self._first
        return not of_this_run or self._clock() > self._started_s + FIRST_CONNECTION_S

    def _read_on(self) -> None:
        with self._lock:
            after = self._read_up_to
        page = self._consumer.after(after, BATCH)
        with self._lock:
            if after != self._read_up_to or self._ahead or self._consumer.behind:
                # It was restarted meanwhile.
                return
            self._ahead.extend(page.entries)
            self._read_up_to = page.up_to
            if not page.entries and self._window and self._read_up_to >= self._consumer.last:
                self._live = True
                if self._late:
                    log.info("events sent late: %d", self._late)
                self._late = 0

    def _may_resume(self) -> bool:
        """Whether to retry the broker, which accepted no more."""
        if self._in_flight:
            return False
        if self._resume_s is None:
            self._failures += 1
            self._resume_s = self._clock() + backoff_s(self._failures, *self._retry_s)
        if self._clock() < self._resume_s:
            return False
        self._start_over()
        return True

    def _start_over(self) -> None:
        self._live = False
        self._hold_after = self._resume_s = None
        for first, last in self._gaps.values():
            self._leave_out(first, last)
        self._gaps.clear()
        self._in_flight.clear()
        self._ahead.clear()
        self._read_up_to = after = self._consumer.rewind()
        # Everything after it is sent again.
        self._untold = [(first, min(last, after)) for first, last in self._untold if first <= after]

    def _send(self, entry: Entry, payload: bytes) -> bool:
        while self._untold:
            first, last = self._untold[0]
            packet = self._publish(self._consumer.refused(first, last))
            if packet is None:
                return False
            if packet == NEVER:
                break
            del self._untold[0]
            self._gaps[packet] = (first, last)
        packet = self._publish(payload)
        if packet is None:
            return False
        if packet == NEVER:
            self._refuse(entry)
        else:
            self._in_flight[packet] = entry
        return True

    def _refuse(self, entry: Entry) -> None:
        """Skip an entry."""
        if entry.first is None and entry.number > self._refused_up_to:
            self.refused_events += 1
            self._refused_up_to = entry.number
        self._leave_out(entry.before + 1, entry.number)

    def _leave_out(self, first: int, last: int) -> None:
        self._untold.append((first, last))
        merged = [min(self._untold)]
        for one in sorted(self._untold)[1:]:
            if one[0] <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], one[1]))
            else:
                merged.append(one)
        self._untold = merged

    def _settle(self) -> None:
        if not (self._acknowledged or self._refusals or self._untold):
            return
        while self._acknowledged:
            packet = self._acknowledged.popleft()
            self._gaps.pop(packet, None)
            if self._in_flight.pop(packet, None) is not None:
                self._failures = 0
        while self._refusals:
            self._settle_refusal(*self._refusals.popleft())
        # Sent in order of number: nothing is missing before the first remaining one.
        left = next(iter(self._in_flight.values()), self._ahead[0] if self._ahead else None)
        up_to = self._read_up_to if left is None else left.before
        before = self._consumer.cursor
        self._consumer.advance(up_to if self._hold_after is None else min(up_to, self._hold_after))
        if self._consumer.cursor > before:
            self._passed.append((self._consumer.cursor, self._clock()))

    def _settle_refusal(self, packet: int, again: bool) -> None:
        if (gap := self._gaps.pop(packet, None)) is not None:
            self._leave_out(*gap)
        if (entry := self._in_flight.pop(packet, None)) is None:
            return
        if again:
            self._live = False
            held = self._hold_after
            self._hold_after = entry.before if held is None else min(held, entry.before)
        else:
            self._refuse(entry)
