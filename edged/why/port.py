"""Keeps the scores around each event: a ring in memory, and excerpts of it beside the journal."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edged.commands import Reply, Request, TellWhy
from edged.config.schema import WhyConfig
from edged.core import Deciding, Ended, Event, Report, Result
from edged.errors import CommandError, EdgedError
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

SILENCE_S = 5.0
"""A camera that gives no frame for so long keeps no file open."""

CLOSE_S = 5.0
"""How long the end of the daemon waits for the disk."""

QUESTIONS = 4
"""Who may wait for an answer."""


class WhyPort:
    """A port whose thread writes what the ring has around events, and answers to `TellWhy`.

    A frame takes microseconds in `write`. All else is the thread's, which starts with the first
    event or question. A disk that fails costs excerpts, and nothing else.
    """

    def __init__(
        self,
        config: WhyConfig,
        folder: Path,
        device: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is where excerpts go."""
        self._config = config
        self._folder = folder
        self._device = device
        self._clock = clock
        self._ring = Ring(RING_S, RING_BYTES)
        self._deciding: Deciding | None = None
        self._seen_s = 0.0
        self._excerpt: Excerpt | None = None
        self._error: str | None = None
        self._thread: threading.Thread | None = None
        # Guards all that follows.
        self._changed = threading.Condition()
        self._event: Event | None = None
        self._questions: list[Request[TellWhy]] = []
        self._closing = False

    def __enter__(self) -> WhyPort:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

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

    def answer(self, request: Request[TellWhy]) -> None:
        """Reply later, from the thread. CommandError while too many wait."""
        with self._changed:
            if len(self._questions) >= QUESTIONS:
                raise CommandError("others wait for an answer; try again")
            self._questions.append(request)
            self._wake()

    def _note(self, events: Sequence[Event]) -> None:
        if events:
            with self._changed:
                # The others are found in the ring.
                self._event = self._event or events[0]
                self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="why", daemon=True)
            self._thread.start()
        self._changed.notify_all()

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

        if self._excerpt is not None:
            self._changed.wait_for(hurry, WRITE_S)
            return
        self._changed.wait_for(lambda: self._event or hurry())
        self._changed.wait_for(hurry, DELAY_S)

    def _keep(self, event: Event | None) -> None:
        """Write what has come; begin with an `event`, and end some time after the last one."""
        # A start does without them.
        from edged.why import folder as files
        from edged.why.excerpt import Excerpt

        try:
            if event is not None and self._excerpt is None:
                files.close_left_open(self._folder)
                files.forget_from(self._folder, event.number)
                self._excerpt = Excerpt(self._folder, self._device, self._ring, event)
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
        if told is None:
            log.error("%s; scores around events are not kept meanwhile", error)

    def _answered(self, number: int) -> Reply:
        from edged.why.explain import explain

        try:
            return Reply(data=explain(self._folder, number))
        except EdgedError as error:
            return Reply(error=str(error))
