"""A client that follows the daemon: its messages, their rate, and its pictures."""

from __future__ import annotations

import contextlib
import math
import queue
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edged.commands import Watch
from edged.core import CameraChanged, Ended, Health, OutputState, Report, Result
from edged.errors import CameraError, CommandError
from edged.messages import device as device_messages
from edged.messages import events, results
from edged.messages.message import Message, Moment

if TYPE_CHECKING:
    from edged.ports.control.shared import SharedWriter

WATCH_BACKLOG = 64
"""The most reports that wait for a slow watcher; older ones are dropped."""

PICTURES_BACKLOG = 2
"""As above for a watcher of every picture, which wants the newest."""


class Watcher:
    """A bounded queue from the loop to the thread of one client."""

    def __init__(self, wanted: Watch) -> None:
        """CommandError if there is no memory for the requested pictures."""
        self._wanted = wanted
        self._interval_s = 1 / wanted.rate_hz if wanted.rate_hz else 0.0
        self._next_s = -math.inf
        backlog = PICTURES_BACKLOG if wanted.pictures == "all" else WATCH_BACKLOG
        self._reports: queue.Queue[Report | None] = queue.Queue(backlog)
        self._shared: SharedWriter | None = None
        if wanted.pictures != "none":
            # A watcher without pictures does not need numpy.
            from edged.ports.control.shared import SharedWriter

            try:
                self._shared = SharedWriter(wanted.side_px)
            except OSError as error:
                raise CommandError(f"no shared memory for pictures: {error.strerror}") from error

    def close(self) -> None:
        """The client has left."""
        if self._shared is not None:
            self._shared.close()

    @property
    def descriptors(self) -> list[int]:
        """The descriptors for the reply: the memory of the pictures, if any."""
        return [] if self._shared is None else [self._shared.fd]

    def offer(self, report: Report | None) -> None:
        """Pass a report, None for the end; never blocks, and drops the oldest if full."""
        if isinstance(report, Result) and not report.events and self._interval_s:
            captured_s = report.frame.captured_s
            if captured_s < self._next_s:
                return
            # On a time grid, so that the rate holds for any camera rate; a new grid after a pause.
            late_s = captured_s - self._interval_s / 2
            self._next_s = max(self._next_s, late_s) + self._interval_s
        try:
            self._reports.put_nowait(report)
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                self._reports.get_nowait()
            with contextlib.suppress(queue.Full):
                self._reports.put_nowait(report)

    def wait(self, timeout_s: float) -> Report | None:
        """The next report, None for the end; queue.Empty if none arrives in time."""
        return self._reports.get(timeout=timeout_s)

    def described(self, report: Report, at: Moment) -> Iterator[Message]:
        """The messages of a report for this client."""
        yield from described(report, at, self._wanted.top)
        if isinstance(report, Result):
            if self._wanted.rules:
                yield results.state(report.scene, report.frame.number, at)
            if self._shared is not None and (report.events or self._wanted.pictures == "all"):
                with contextlib.suppress(CameraError):
                    # A frame with damage outside what the model needed has no picture.
                    frame = report.frame
                    place = self._shared.put(frame.full() if frame.full else frame.pixels)
                    size_px = place.height_px, place.width_px
                    yield results.shared(report, place.sequence, size_px, at)


def described(report: Report, at: Moment, top: int = 3) -> Iterator[Message]:
    """The messages of a report, as over MQTT; none for a picture."""
    match report:
        case Result():
            for event in report.events:
                yield events.event(event, at)
            yield results.classification(report, top, at)
        case Ended() | CameraChanged():
            for event in report.events:
                yield events.event(event, at)
        case Health():
            yield device_messages.health(report, at)
        case OutputState():
            yield device_messages.output(report, at)
