"""Every event reaches the broker, in order: at once, or later from the journal."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from edged.journal.consumer import Consumer
from edged.journal.entry import Entry
from edged.messages.events import replayed

log = logging.getLogger(__name__)

WINDOW = 100
"""Events that may wait for their acknowledgement."""

BATCH = 200
"""Entries read ahead from the journal."""


class Delivery:
    """The order of events between the loop, the journal and the broker.

    Threads: `put` is the loop's, `connected` and `disconnected` the connection's, `acknowledged`
    the network's; `work` is one worker's, the only one that waits for the disk.

    ``publish`` sends one payload and returns its packet number, or None while the broker is away.
    ``wake`` is called when `work` has something to do.

    While ``live``, an event is published by `put` itself. Otherwise `work` sends what the journal
    has, oldest first and marked as replayed, and goes live at its end. The cursor in the journal
    follows what is acknowledged without a hole; from there all is sent again on a new connection.
    """

    def __init__(
        self,
        consumer: Consumer,
        publish: Callable[[bytes], int | None],
        wake: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._publish = publish
        self._wake = wake
        # Guards everything below. Held while publishing, so that an acknowledgement, which the
        # network's thread only leaves in a deque, always finds its event registered.
        self._lock = threading.Lock()
        self._live = False
        self._window = 0
        self._read_up_to = 0
        self._ahead: deque[Entry] = deque()
        self._in_flight: dict[int, Entry] = {}
        self._acknowledged: deque[int] = deque()
        self._late = 0

    @property
    def live(self) -> bool:
        """Whether an event is sent at once: connected, and no older one is left."""
        return self._live

    @property
    def dropped(self) -> int:
        """Events that left the journal before the broker had them."""
        return self._consumer.dropped

    def settled(self) -> bool:
        """Whether every event sent in this connection has been acknowledged."""
        return not self._in_flight

    def put(self, number: int) -> None:
        """The journal has recorded an event. Publishing is a hand-over to the network's thread."""
        with self._lock:
            if self._live:
                next_one = number == self._read_up_to + 1 and len(self._in_flight) < self._window
                payload = self._consumer.newest(number) if next_one else None
                self._live = payload is not None and self._send(Entry(number, payload), payload)
            if self._live:
                self._read_up_to = number
        if not self._live:
            self._wake()

    def acknowledged(self, packet: int) -> None:
        """The broker has this packet; one that is no event's is ignored."""
        # No lock: the network library calls this under a lock of its own, which `put` needs.
        self._acknowledged.append(packet)
        self._wake()

    def connected(self, window: int) -> None:
        """A new connection, whose broker takes `window` unacknowledged messages at a time."""
        with self._lock:
            self._start_over()
            self._window = max(1, min(WINDOW, window))
            self._late = 0
        self._wake()

    def disconnected(self) -> None:
        """The connection is lost, and its network thread is at an end."""
        with self._lock:
            self._settle()
            self._window = 0
            self._start_over()

    def work(self) -> None:
        """Do what is to be done now."""
        while self._send_on():
            self._read_on()

    def _send_on(self) -> bool:
        """Send what was read ahead; true if more has to be read first."""
        with self._lock:
            self._settle()
            if self._consumer.behind and not self._in_flight:
                self._start_over()
            while not self._live and len(self._in_flight) < self._window:
                if self._consumer.behind:
                    # What is under way comes to its end first.
                    return False
                if not self._ahead:
                    return True
                entry = self._ahead[0]
                payload = entry.payload if entry.first is not None else replayed(entry.payload)
                if not self._send(entry, payload):
                    return False
                self._ahead.popleft()
                self._late += 1
        return False

    def _read_on(self) -> None:
        with self._lock:
            after = self._read_up_to
        page = self._consumer.after(after, BATCH)
        with self._lock:
            if after != self._read_up_to or self._ahead or self._consumer.behind:
                # It was started over meanwhile.
                return
            self._ahead.extend(page.entries)
            self._read_up_to = page.up_to
            if not page.entries and self._window and self._read_up_to >= self._consumer.last:
                self._live = True
                if self._late:
                    log.info("%d events sent late", self._late)
                self._late = 0

    def _start_over(self) -> None:
        self._live = False
        self._in_flight.clear()
        self._ahead.clear()
        self._read_up_to = self._consumer.rewind()

    def _send(self, entry: Entry, payload: bytes) -> bool:
        packet = self._publish(payload)
        if packet is None:
            return False
        self._in_flight[packet] = entry
        return True

    def _settle(self) -> None:
        if not self._acknowledged:
            return
        while self._acknowledged:
            self._in_flight.pop(self._acknowledged.popleft(), None)
        # Sent in order of number: before the first that is left, nothing is missing.
        left = next(iter(self._in_flight.values()), self._ahead[0] if self._ahead else None)
        self._consumer.advance(self._read_up_to if left is None else left.before)
