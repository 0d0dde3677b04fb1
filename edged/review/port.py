"""Keeps the frames that the model was least sure of, a few different ones, for people to decide.

A frame takes microseconds in `write`. Everything else is done by a thread of the port: it makes a
JPEG of the frame of most doubt, and writes it when `ReviewConfig.every_s` is over. A disk that
fails costs pictures, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from edged.commands import Reply, Request, Review, ReviewDecide, ReviewPicture
from edged.config.schema import Polygons, ReviewConfig
from edged.core import Deciding, Frame, Prediction, Report, Result
from edged.errors import CameraError, EdgedError
from edged.files import is_there
from edged.messages.message import Moment
from edged.ports.answering import AnsweringPort
from edged.printable import printable

if TYPE_CHECKING:
    from edged.messages.review import ReviewAnswer
    from edged.review.alike import Look
    from edged.review.doubt import Doubt, Doubts
    from edged.review.folder import Entry, Folder
    from edged.review.picture import Kept

log = logging.getLogger(__name__)

WIDTH_PX, QUALITY = 480, 85
"""Of a picture: enough for a person, and for twice the input of the usual models."""

LEAST_WIDTH_PX = 160
"""A frame that is gone in full and was read smaller tells a person nothing."""

SURER = 0.1
"""A picture replaces one that is alike if the model is so much less sure of it."""

DISCARDED = 64
"""Discarded pictures that are remembered: what is like them is not kept again."""

LOOK_AFTER_S = 3600.0
"""How often pictures that have become too old are removed, where none comes."""


class Offer(Struct, frozen=True):
    """A frame that the loop hands over."""

    frame: Frame
    prediction: Prediction
    doubt: Doubt
    deciding: Deciding | None


class Candidate(Struct, frozen=True):
    """The picture of most doubt since the last one was kept, not yet on disk."""

    kept: Kept
    look: Look
    jpeg: bytes


class ReviewPort(AnsweringPort):
    """A port whose thread keeps pictures, and answers what people ask of them."""

    _thread_name = "review"
    _most_questions = 64

    def __init__(
        self,
        config: ReviewConfig,
        folder: Path,
        device: str,
        privacy: Polygons = (),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Pictures are in `folder`, and have the mask `privacy` painted in."""
        super().__init__()
        self._config = config
        self._path = folder
        self._device = device
        self._mask = _mask(privacy)
        self._clock = clock
        self._wall_clock = wall_clock
        self._doubts: Doubts | None = None
        self._deciding: Deciding | None = None
        self._own: Sequence[str] = ()
        self._greatest = 0.0
        # The thread's own.
        self._folder_made: Folder | None = None
        self._looks: dict[int, Look] = {}
        self._discarded: deque[Look] = deque(maxlen=DISCARDED)
        self._candidate: Candidate | None = None
        self._digest: tuple[Deciding, str] | None = None
        self._due_s = clock() + config.every_s
        self._looked_after_s = -math.inf
        self._error: str | None = None
        # Changed by others, with the lock held.
        self._offer: Offer | None = None
        self._masked = False

    def __enter__(self) -> ReviewPort:
        # What became too old while edged did not run shall not wait for a doubtful frame.
        if is_there(self._path):
            with self._changed:
                self._masked = True
                self._wake()
        return self

    def write(self, report: Report) -> None:
        """Look how sure the model is of a frame; see `edged.core.Port.write`."""
        match report:
            case Result(frame, prediction) if self._config.enabled and not prediction.still:
                self._weigh(frame, prediction)
            case Deciding():
                self._deciding = report
            case _:
                pass

    def reconfigure(self, privacy: Polygons) -> None:
        """Another mask: pictures without it are removed."""
        mask = _mask(privacy)
        with self._changed:
            if mask != self._mask:
                self._mask, self._offer, self._masked = mask, None, True
                self._wake()

    def _weigh(self, frame: Frame, prediction: Prediction) -> None:
        if self._doubts is None:
            from edged.review.doubt import LEAST, Doubts

            self._doubts, self._greatest = Doubts(), LEAST
        doubt = self._doubts.of(prediction)
        if doubt.degree <= self._greatest or not prediction.finite or self._offer is not None:
            return
        self._greatest = doubt.degree
        with self._changed:
            self._offer = Offer(frame, prediction, doubt, self._deciding)
            self._wake()

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                self._changed.wait_for(self._woken, self._wait_s())
            self.work()

    def _woken(self) -> bool:
        return bool(self._offer or self._questions or self._closing or self._masked)

    def _wait_s(self) -> float:
        due_s = self._due_s if self._candidate else self._clock() + LOOK_AFTER_S
        return max(due_s - self._clock(), 0.0)

    def work(self) -> None:
        """All that waits. In the thread."""
        with self._changed:
            offer, self._offer = self._offer, None
            questions, self._questions = self._questions, []
            masked, self._masked = self._masked, False
        if offer is not None:
            self._take(offer)
        if self._candidate is not None and self._clock() >= self._due_s:
            self._keep(self._candidate)
        elif masked or self._clock() >= self._looked_after_s + LOOK_AFTER_S:
            self._look_after()
        for question in questions:
            question.reply(self._answered(question))

    def _take(self, offer: Offer) -> None:
        from edged.imaging.picture import jpeg
        from edged.review.alike import Look
        from edged.review.doubt import LEAST
        from edged.review.picture import BEST, Kept

        frame, prediction = offer.frame, offer.prediction
        pixels = frame.pixels
        try:
            pixels = frame.full() if frame.full else pixels
        except CameraError:
            # The process that could have decoded all of it is gone.
            if pixels.shape[1] < LEAST_WIDTH_PX:
                self._greatest = self._candidate.kept.doubt if self._candidate else LEAST
                return
        at = Moment.now(self._device, self._clock, self._wall_clock)
        best = {printable(one.label)[:512]: one.score for one in prediction.top(BEST)}
        self._own = prediction.labels
        kept = Kept(
            self._device,
            at.utc(frame.captured_s).timestamp(),
            at.synced,
            printable(prediction.model)[:512],
            self._sha256_of(offer.deciding),
            tuple((label, min(max(score, 0.0), 1.0)) for label, score in best.items()),
            min(max(offer.doubt.degree, 0.0), 1.0),
            offer.doubt.because,
            prediction.known,
            prediction.taught,
            self._mask,
        )
        self._candidate = Candidate(kept, Look.of(pixels, best), jpeg(pixels, QUALITY, WIDTH_PX))

    def _sha256_of(self, deciding: Deciding | None) -> str:
        if deciding is None:
            return ""
        if self._digest is None or self._digest[0] is not deciding:
            # Takes milliseconds.
            self._digest = (deciding, deciding.sha256())
        return self._digest[1]

    def _keep(self, candidate: Candidate) -> None:
        """Write it if it is to be kept, in the place of others."""
        from edged.review.doubt import LEAST

        self._candidate = None
        self._due_s = self._clock() + self._config.every_s
        self._greatest = LEAST
        try:
            with self._folder.locked():
                self._remove_old()
                gone = self._replaced(candidate)
                if gone is not None and candidate.kept.mask == self._mask:
                    entry = self._folder.add(candidate.kept, candidate.jpeg)
                    self._looks[entry.number] = candidate.look
                    self._folder.remove(gone)
        except (EdgedError, OSError) as error:
            self._fail(error)
        else:
            if self._error is not None:
                log.info("%s: pictures are kept again", self._path)
                self._error = None

    def _look_after(self) -> None:
        """Remove what has become too old, or has another mask."""
        self._looked_after_s = self._clock()
        try:
            if is_there(self._path):
                with self._folder.locked():
                    self._remove_old()
        except (EdgedError, OSError) as error:
            self._fail(error)

    def _remove_old(self) -> None:
        damaged = self._folder.damaged()
        if damaged:
            log.warning("%s: %d pictures are damaged and removed", self._path, len(damaged))
        oldest_s = self._wall_clock() - self._config.max_age_s
        gone = [
            entry.number
            for entry in self._folder.entries()
            if entry.kept.captured_s < oldest_s or entry.kept.mask != self._mask
        ]
        self._folder.remove([*damaged, *gone])

    def _replaced(self, candidate: Candidate) -> list[int] | None:
        """The pictures that it takes the place of; None if it is not to be kept."""
        if any(candidate.look.alike(look) for look in self._discarded):
            return None
        entries = self._folder.entries()
        self._looks = {one.number: self._look_of(one) for one in entries}
        alike = [one for one in entries if candidate.look.alike(self._looks[one.number])]
        doubt = candidate.kept.doubt
        if any(one.kept.decision or one.kept.doubt + SURER > doubt for one in alike):
            return None
        free = [one for one in entries if one.kept.decision is None and one not in alike]
        free.sort(key=lambda one: (one.kept.sha256 == candidate.kept.sha256, one.kept.doubt))
        rest = [one for one in entries if one not in alike]
        gone = [one.number for one in alike]
        room_bytes = self._config.max_bytes - len(candidate.jpeg) - OVERHEAD_BYTES
        while len(rest) >= self._config.max_pictures or _bytes(rest) > room_bytes:
            if not free:
                return None
            least = free.pop(0)
            if least.kept.sha256 == candidate.kept.sha256 and least.kept.doubt >= doubt:
                return None
            rest.remove(least)
            gone.append(least.number)
        return gone

    def _look_of(self, entry: Entry) -> Look:
        from edged.imaging.picture import decode_picture
        from edged.review.alike import CELLS, Look

        if entry.number not in self._looks:
            data = self._folder.picture(entry.number)
            pixels = decode_picture(data, f"picture {entry.number}", (CELLS, CELLS))
            self._looks[entry.number] = Look.of(pixels, dict(entry.kept.best))
        return self._looks[entry.number]

    @property
    def _folder(self) -> Folder:
        if self._folder_made is None:
            from edged.review.folder import Folder

            self._folder_made = Folder(self._path)
        return self._folder_made

    def _fail(self, error: Exception) -> None:
        told, self._error = self._error, str(error)
        if told is None:
            log.error("%s; no pictures are kept for review meanwhile", error)

    def _answered(self, request: Request[Any]) -> Reply:
        try:
            match request.command:
                case ReviewDecide():
                    self._decide(request.command)
                    return Reply(data=self._told())
                case ReviewPicture(number=number):
                    return Reply(data=self._told([self._folder.entry(number)]),
                                 jpeg=self._folder.picture(number))  # fmt: skip
                case Review():
                    return Reply(data=self._told())
                case _:
                    raise AssertionError(request.command)
        except (EdgedError, OSError) as error:
            log.warning("review, requested by %s: %s", request.asked_by, error)
            return Reply(error=str(error))

    def _decide(self, command: ReviewDecide) -> None:
        from edged.review.folder import Verdict

        verdict = Verdict(command.verdict, command.label, command.by, command.again)
        with self._folder.locked():
            if command.verdict == "discard":
                kept = {entry.number: entry for entry in self._folder.entries()}
                looks = [self._look_of(kept[one]) for one in command.numbers if one in kept]
                self._folder.decide(command.numbers, verdict)
                self._discarded.extend(looks)
            else:
                self._folder.decide(command.numbers, verdict, self._own)

    def _told(self, entries: Sequence[Entry] | None = None) -> ReviewAnswer:
        from edged.messages.review import answer

        entries = self._folder.entries() if entries is None else entries
        return answer(self._path, self._config, entries, len(self._folder.damaged()))


OVERHEAD_BYTES = 4096
"""What a file has besides its picture, at most as a rule."""


def _bytes(entries: Sequence[Entry]) -> int:
    return sum(entry.size_bytes for entry in entries)


def _mask(privacy: Polygons) -> str:
    return hashlib.sha256(repr(privacy).encode()).hexdigest()[:16]
