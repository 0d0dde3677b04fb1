"""Keeps the scores around each event: a ring in memory, and excerpts of it beside the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.commands import Reply
from edged.config.schema import WhyConfig
from edged.core import Deciding, Ended, Event, Report, Result
from edged.errors import EdgedError
from edged.ports.answering import AnsweringPort
from edged.recording.entries import Finish, Sight
from edged.why.ring import Ring

if TYPE_CHECKING:
    from edged.why.excerpt import Excerpt

log = logging.getLogger(__name__)

RING_S = 75.0
"""What an excerpt has, and the time for which the disk may hang."""

RING_BYTES = 8 << 20
"""Enough for a thousand classes 25 times a second."""

DELAY_S = 0.3
"""What has to be done at once at an event goes first."""

WRITE_S = 2.0
"""How often a file that is open gets what has come."""

RETRY_S = 5.0
"""The wait before a failed disk is tried again: to look at what is there takes a tenth of a second.
What happens meanwhile waits in the ring."""

SILENCE_S = 5.0
"""A camera that gives no frame for so long keeps no file open."""


class WhyPort(AnsweringPort):
    """A port whose thread writes what the ring has around events, and answers to `TellWhy`.

    A frame takes microseconds in `write`. All else is the thread's, which starts with the first
    event or question. A disk that fails costs excerpts, and nothing else.
    """

    _thread_name = "why"
    _most_questions = 4

    def __init__(
        self,
        config: WhyConfig,
        folder: Path,
        device: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is where excerpts go."""
        super().__init__()
        self._config = config
        self._folder = folder
        self._device = device
        self._clock = clock
        self._ring = Ring(RING_S, RING_BYTES)
        self._deciding: Deciding | None = None
        self._seen_s = 0.0
        self._excerpt: Excerpt | None = None
        self._error: str | None = None
        self._retry_s = 0.0
        self._put_off: Event | None = None
        # Changed by others, with the lock held.
        self._event: Event | None = None

    def __enter__(self) -> WhyPort:
        return self

    def write(self, report: Report) -> None:
        """Keep what is decided on; see `edged.core.Port.write`."""
        match report:
            case Result(frame, prediction, events=events):
                self._seen_s = at_s = frame.captured_s
                kept = frame if events and self._config.pictures else None
                sight = Sight(
                    frame.number,
                    at_s,
                    prediction.scores,
                    events,
                    frame=kept,
                    known=prediction.known,
                )
                self._ring.add(sight, at_s, self._deciding)
                self._note(events)
            case Ended(events=events) if report.reason != "restart":
                self._ring.add(Finish(report, self._seen_s), self._seen_s, None)
                self._note(events)
            case Deciding():
                self._deciding = report
                self._ring.begin(report, self._clock())
            case _:
                pass

    def _note(self, events: Sequence[Event]) -> None:
        if events:
            with self._changed:
                # The others are found in the ring.
                self._event = self._event or events[0]
                self._wake()

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                self._wait()
                event, self._event = self._event, None
                questions, self._questions = self._questions, []
            self._keep(event)
            for question in questions:
                question.reply(self._answered(question.command.event))
        # What happened at the very end.
        self._keep(self._event)
        self._finish()

    def _wait(self) -> None:
        """Until there is something to do; in a hurry only for who asks."""

        def hurry() -> bool:
            return bool(self._questions) or self._closing

        if self._excerpt is not None or self._put_off is not None:
            self._changed.wait_for(hurry, WRITE_S)
            return
        self._changed.wait_for(lambda: self._event or hurry())
        self._changed.wait_for(hurry, DELAY_S)

    def _keep(self, event: Event | None) -> None:
        """Write what has come; begin with an `event`, and end some time after the last one."""
        # A start does without them.
        from edged.why import folder as files
        from edged.why.excerpt import Excerpt

        event = self._put_off = self._put_off or event
        if self._clock() < self._retry_s:
            return
        try:
            if event is not None and self._excerpt is None:
                files.close_left_open(self._folder)
                files.forget_from(self._folder, event.number)
                self._excerpt = Excerpt(self._folder, self._device, self._ring, event)
            self._put_off = None
            if self._excerpt is not None:
                self._excerpt.take()
                until_s = self._excerpt.until_s
                quiet = self._seen_s >= until_s or self._clock() >= until_s + SILENCE_S
                if quiet or self._excerpt.full:
                    self._finish()
        except (EdgedError, OSError) as error:
            self._fail(error)
        else:
            if self._error is not None and event is not None:
                log.info("%s: scores around events are kept again", self._folder)
                self._error = None

    def _finish(self) -> None:
        from edged.why import folder as files

        excerpt, self._excerpt = self._excerpt, None
        if excerpt is None:
            return
        try:
            excerpt.take()
            excerpt.close()
            files.prune(self._folder, self._config.max_events, self._config.max_bytes)
        except (EdgedError, OSError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._excerpt is not None:
            self._excerpt.abandon()
            self._excerpt = None
        told, self._error = self._error, str(error)
        self._retry_s = self._clock() + RETRY_S
        if told is None:
            log.error("%s; scores around events are not kept meanwhile", error)

    def _answered(self, number: int) -> Reply:
        from edged.why.explain import explain

        try:
            return Reply(data=explain(self._folder, number))
        except EdgedError as error:
            return Reply(error=str(error))
