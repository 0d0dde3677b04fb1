"""From the loop to one who records: a bounded hand-over that says where it has lost frames."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from edged import __version__
from edged.core import Deciding, Ended, Frame, Report, Result
from edged.errors import CameraError
from edged.messages.message import Moment
from edged.recording.entries import Began, Entry, Finish, Sight
from edged.recording.records import FORMAT, Header, Over, Seen, Setup

if TYPE_CHECKING:
    from edged.core import Scores

BACKLOG = 1024
"""Frames that may wait for a slow recorder: half a minute of a fast camera."""

PICTURES_BACKLOG = 16
"""As above where each has its picture, which may take megabytes."""

QUALITY = 90
"""Of the pictures, as JPEG."""


class Lane:
    """Takes reports from the loop, and gives records to the thread of one who records.

    Where that is too slow, frames are lost, and what the rules hold after them is taken instead: so
    whoever decides again goes on from there exactly.
    """

    def __init__(
        self, deciding: Callable[[], Deciding | None], *, features: bool, pictures: bool
    ) -> None:
        """`deciding` tells what decides at present; it is asked in the loop's thread."""
        self._deciding = deciding
        self._features = features
        self._pictures = pictures
        self._backlog = PICTURES_BACKLOG if pictures else BACKLOG
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._lost = 0
        self._begun = False
        self._seen_s = 0.0

    def header(self, device: str) -> Header:
        """What its records begin with."""
        return Header(FORMAT, __version__, device, self._features, self._pictures)

    def offer(self, report: Report | None) -> None:
        """Hand over a report, None for the end; never blocks. The loop's thread only."""
        match report:
            case Result(frame, prediction, events=events):
                self._seen_s = frame.captured_s
                self._put(
                    Sight(
                        frame.number,
                        frame.captured_s,
                        prediction.scores,
                        events,
                        prediction.features if self._features else None,
                        frame if self._pictures else None,
                        prediction.known,
                    )
                )
            case Ended() if report.reason != "restart":
                self._put(Finish(report, self._seen_s))
            case Deciding():
                if not self._lost and self._entries.qsize() < self._backlog:
                    # Between two frames: nothing is lost.
                    self._begin(report)
                else:
                    self._begun = False
                    self._lost += 1
            case None:
                self._entries.put(None)
            case _:
                pass

    def records(self, device: str, timeout_s: float) -> Iterator[Setup | Seen | Over | None]:
        """The records of what was offered, until the end; None each time that nothing comes.

        May take milliseconds for each picture. In the thread of one who records.
        """
        before: Scores | None = None
        while True:
            try:
                entry = self._entries.get(timeout=timeout_s)
            except queue.Empty:
                yield None
                continue
            match entry:
                case Began():
                    before = None
                    yield setup(entry, device)
                case Sight():
                    yield seen(entry, before)
                    before = entry.scores
                case Finish():
                    yield over(entry)
                case None:
                    return

    def _put(self, entry: Sight | Finish) -> None:
        waiting = self._entries.qsize()
        if self._begun and waiting < self._backlog:
            self._entries.put(entry)
            return
        if self._begun or self._lost:
            self._begun = False
            self._lost += 1
        deciding = self._deciding()
        # What is held after this frame has it, too. Not at the first free place: the next frame
        # would be lost again.
        if deciding is not None and waiting <= self._backlog // 2:
            self._begin(deciding)

    def _begin(self, deciding: Deciding) -> None:
        self._entries.put(Began(deciding, deciding.decider.state(), self._lost))
        self._begun, self._lost = True, 0


def setup(began: Began, device: str) -> Setup:
    """The record of what decides; reads the model's file."""
    deciding = began.deciding
    decider = deciding.decider
    moment = Moment.now(device, time.monotonic, time.time)
    return Setup(
        deciding.model,
        deciding.sha256(),
        tuple(decider.labels),
        tuple(decider.rules),
        decider.defaults,
        began.state,
        moment.offset_s,
        moment.synced,
        began.lost,
    )


def over(finish: Finish) -> Over:
    """The record of an end."""
    ended = finish.ended
    at_s = ended.events[0].decided_s if ended.events else finish.seen_s
    return Over(at_s, ended.reason, ended.why, ended.events)


def seen(sight: Sight, before: Scores | None) -> Seen:
    """The record of a frame that follows one with the scores `before`."""
    scores, features = sight.scores, sight.features
    return Seen(
        sight.number,
        sight.captured_s,
        b"" if scores is before else scores.astype("<f4").tobytes(),
        events=sight.events,
        features=b"" if features is None else features.astype("<f4").tobytes(),
        jpeg=b"" if sight.frame is None else picture(sight.frame, QUALITY),
        known=sight.known,
    )


def picture(frame: Frame, quality: int, width_px: int | None = None) -> bytes:
    """All of a frame as a JPEG; nothing where it is damaged beyond what the model needed."""
    from edged.imaging.picture import jpeg

    try:
        return jpeg(frame.full() if frame.full else frame.pixels, quality, width_px)
    except CameraError:
        return b""
