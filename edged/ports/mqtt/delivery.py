"""Every event reaches the broker, in order: sent at once, or kept on disk and sent later."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from edged.errors import PortError
from edged.messages.events import replayed
from edged.spool import Spool, Stored

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE_S = 0.05
"""An event that the broker acknowledges within this time is not written to disk: a card lives
longer, and a local broker answers in a millisecond."""

WINDOW = 100
"""Events that may wait for their acknowledgement while older ones are sent again."""

BATCH = 500
"""Rows read from the disk, or removed from it, at a time."""

MEMORY_EVENTS = 2000
"""Events held in memory for a disk that is slow or fails."""

DISK_RETRY_S = 5.0
"""A failed disk is tried again after this time."""


class _Waiting(msgspec.Struct, eq=False):
    """An event that is not on disk yet. ``sent`` holds for the present connection."""

    payload: bytes
    made_s: float
    number: int | None = None
    sent: bool = False
    acknowledged: bool = False


class Delivery:
    """The order of events between the loop, the disk and the broker.

    Threads: `put` is the loop's, `connected` and `disconnected` the connection's, `acknowledged`
    the network's; `work` and `close` are one worker's, the only one that touches the disk. `put`
    and `acknowledged` never wait for the disk.

    ``publish`` sends one payload and returns its packet number, or None while the broker is away.
    ``wake`` is called when `work` has something to do.

    While ``live``, an event is published by `put` itself. Otherwise it waits behind the older
    ones: first those on disk, then those in memory. `work` sends them, marked as replayed, and
    goes live when none is left. What is not acknowledged when the connection is lost is sent
    again on the next.
    """

    def __init__(
        self,
        spool: Spool | None,
        publish: Callable[[bytes], int | None],
        wake: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._publish = publish
        self._wake = wake
        self._clock = clock
        # Guards everything below. Held while publishing, so that an acknowledgement, which the
        # network's thread only leaves in a deque, always finds its event registered.
        self._lock = threading.Lock()
        self._live = False
        self._window = 0
        self._waiting: deque[_Waiting] = deque()
        self._in_flight: dict[int, _Waiting] = {}
        self._acknowledged: deque[int] = deque()
        self._connection = 0
        # The worker's view of the disk: what it read and not sent yet, how far it has read.
        self._batch: deque[Stored] = deque()
        self._read_up_to = 0
        self._disk_read = False
        self._delivered_rows: list[int] = []
        self._late = 0
        self._lost_from_memory = 0
        self._loss_logged = False
        self._disk_error: str | None = None
        self._disk_retry_s = 0.0

    @property
    def dropped(self) -> int:
        """Events lost to a bound, on disk or in memory."""
        return self._lost_from_memory + (self._spool.dropped if self._spool else 0)

    @property
    def live(self) -> bool:
        """Whether an event is sent at once: connected, and no older one is left."""
        return self._live

    def settled(self) -> bool:
        """Whether every event sent in this connection has been acknowledged."""
        return not self._in_flight

    def put(self, payload: bytes) -> None:
        """A new event. Microseconds: publishing is a hand-over to the network's thread."""
        event = _Waiting(payload, self._clock())
        with self._lock:
            if self._live:
                self._live = self._send(event, payload)
            self._waiting.append(event)
            while len(self._waiting) > MEMORY_EVENTS:
                oldest = self._waiting.popleft()
                if not oldest.sent:
                    self._lose(1)
        self._wake()

    def acknowledged(self, packet: int) -> None:
        """The broker has this packet; one that is no event's is ignored."""
        # No lock: the network library calls this under a lock of its own, which `put` needs.
        self._acknowledged.append(packet)
        self._wake()

    def connected(self, window: int) -> None:
        """A new connection, whose broker takes `window` unacknowledged messages at a time."""
        with self._lock:
            self._connection += 1
            self._window = max(1, min(WINDOW, window))
            self._late = 0
        self._wake()

    def disconnected(self) -> None:
        """The connection is lost, and its network thread is at an end."""
        with self._lock:
            self._settle()
            self._connection += 1
            self._live = False
            self._window = 0
            for event in self._in_flight.values():
                event.sent = False
            self._in_flight.clear()
            self._batch.clear()
            self._read_up_to = 0
            self._disk_read = False
        self._wake()

    def work(self) -> float | None:
        """Do what is to be done now; the seconds until there is more, None for until woken."""
        with self._lock:
            self._settle()
        while self._fill_window():
            self._read_batch()
        if self._live:
            self._tell_caught_up()
        self._store(self._clock() - GRACE_S)
        if len(self._delivered_rows) >= BATCH or not self._in_flight:
            self._remove_delivered()
        if self._disk_error is not None:
            return DISK_RETRY_S
        return GRACE_S if self._waiting else None

    def close(self) -> None:
        """Put on disk what the broker has not acknowledged. `put` must not be called any more."""
        with self._lock:
            self._settle()
        self._disk_retry_s = 0.0
        self._store(self._clock())
        self._remove_delivered()
        if unsaved := sum(not event.acknowledged for event in self._waiting):
            log.error("%d events are lost: neither the broker nor the disk took them", unsaved)
        if self._spool is not None:
            self._spool.close()

    def _send(self, event: _Waiting, payload: bytes) -> bool:
        packet = self._publish(payload)
        if packet is None:
            return False
        event.sent = True
        self._in_flight[packet] = event
        return True

    def _settle(self) -> None:
        while self._acknowledged:
            event = self._in_flight.pop(self._acknowledged.popleft(), None)
            if event is not None:
                event.acknowledged = True
                if event.number is not None:
                    self._delivered_rows.append(event.number)
        while self._waiting and self._waiting[0].acknowledged:
            self._waiting.popleft()

    def _fill_window(self) -> bool:
        """Send what is left over, oldest first; True if the disk has to be read before more."""
        with self._lock:
            while self._window and not self._live and len(self._in_flight) < self._window:
                if self._batch:
                    number, payload = self._batch[0]
                    if not self._send(_Waiting(payload, 0.0, number), replayed(payload)):
                        return False
                    self._batch.popleft()
                elif not self._disk_read:
                    return True
                else:
                    unsent = next((event for event in self._waiting if not event.sent), None)
                    if unsent is None:
                        self._live = True
                        return False
                    if not self._send(unsent, replayed(unsent.payload)):
                        return False
                self._late += 1
        return False

    def _read_batch(self) -> None:
        self._remove_delivered()
        with self._lock:
            connection, after = self._connection, self._read_up_to
        rows = self._attempt(lambda spool: spool.after(after, BATCH)) or []
        with self._lock:
            if connection != self._connection:
                return
            # Events that were published live and stored since are on disk, and under way.
            under_way = {event.number for event in self._in_flight.values()}
            self._batch.extend(row for row in rows if row.number not in under_way)
            if rows:
                self._read_up_to = rows[-1].number
            else:
                self._disk_read = True

    def _store(self, sent_before_s: float) -> None:
        """Put on disk what is not sent, and what was made before and is not acknowledged."""
        with self._lock:
            due = []
            for event in self._waiting:
                if event.sent and event.made_s > sent_before_s and not event.acknowledged:
                    break
                due.append(event)
        due_now = [event for event in due if not event.acknowledged]
        if not due_now:
            return
        if self._spool is None:
            self._forget_unsent()
            return
        numbers = self._attempt(lambda spool: spool.add([event.payload for event in due_now]))
        if numbers is None:
            return
        with self._lock:
            for event, number in zip(due_now, numbers, strict=True):
                event.number = number
                if event.acknowledged:
                    self._delivered_rows.append(number)
            stored = set(map(id, due))
            while self._waiting and id(self._waiting[0]) in stored:
                self._waiting.popleft()
            self._disk_read = False
        self._wake()

    def _forget_unsent(self) -> None:
        with self._lock:
            kept = [event for event in self._waiting if event.sent and not event.acknowledged]
            self._lose(len(self._waiting) - len(kept))
            self._waiting = deque(kept)

    def _remove_delivered(self) -> None:
        with self._lock:
            rows, self._delivered_rows = self._delivered_rows, []
        if rows and self._attempt(lambda spool: spool.remove(rows)) is None:
            with self._lock:
                self._delivered_rows += rows

    def _attempt(self, work: Callable[[Spool], T]) -> T | None:
        """What `work` returns; None where there is no disk, or it fails at present."""
        if self._spool is None or self._clock() < self._disk_retry_s:
            return None
        try:
            done = work(self._spool)
        except PortError as error:
            self._disk_retry_s = self._clock() + DISK_RETRY_S
            if self._disk_error is None:
                log.error("%s; %d events at most wait in memory", error, MEMORY_EVENTS)
            self._disk_error = str(error)
            return None
        if self._disk_error is not None:
            self._disk_error = None
            log.info("%s: events are stored again", self._spool.path)
            with self._lock:
                # What could not be read meanwhile goes out now.
                self._disk_read = self._live = False
            self._wake()
        return done

    def _lose(self, count: int) -> None:
        self._lost_from_memory += count
        if count and not self._loss_logged:
            self._loss_logged = True
            log.warning("events are lost: the broker is away and there is no room on disk for them")

    def _tell_caught_up(self) -> None:
        if self._late:
            log.info("%d events sent late", self._late)
        self._late = 0
        self._loss_logged = False
