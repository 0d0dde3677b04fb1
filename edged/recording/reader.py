"""A recording in a file, read from its beginning to where it is sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edged.core import Event, Features, Scores
from edged.files import open_regular
from edged.printable import printable
from edged.recording.records import End, Over, RecordingError, Records, Seen, Setup

ROUNDING = 1e-3
"""A sum of rounded float32 scores may leave 0..1 by less than this."""


class RecordedFrame(NamedTuple):
    """One frame: scores of all classes, features where they were recorded, a JPEG or nothing.

    ``given`` are the classes whose scores were recorded; None stands for all, else the others are
    0. ``captured_s`` is by the clock of the recording's `Setup`.
    """

    number: int
    captured_s: float
    scores: Scores
    given: npt.NDArray[np.uint32] | None
    events: Sequence[Event]
    features: Features | None
    jpeg: bytes
    known: float | None


class Recording:
    """Reads one file, once. A context manager: exit closes it.

    ``lost`` counts the frames that are missing in what was read. When that is all of it, ``end`` is
    its last record, or ``broken`` says why it has none.
    """

    def __init__(self, path: Path) -> None:
        """RecordingError where there is none that this edged can read."""
        self.path = path
        self.name = printable(path)
        self.lost = 0
        self.end: End | None = None
        self.broken: str | None = None
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise RecordingError(f"{self.name}: {error.strerror or error}; give a recording") from (
                error
            )
        try:
            self._records = Records(self._file, self.name)
        except BaseException:
            self._file.close()
            raise
        self.header = self._records.header

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Setup | RecordedFrame | Over]:
        """RecordingError for records that are sound and say what cannot be."""
        setup: Setup | None = None
        before: RecordedFrame | None = None
        try:
            for record in self._records:
                match record:
                    case End():
                        self.end = record
                    case Setup():
                        setup, before = record, None
                        self.lost += record.lost
                        yield record
                    case _ if setup is None:
                        raise self._wrong("a frame comes before what decides on it")
                    case Seen():
                        before = self._frame(record, before, len(setup.labels))
                        yield before
                    case Over():
                        yield record
        except OSError as error:
            raise RecordingError(
                f"{self.name}: cannot be read: {error.strerror or error}"
            ) from error
        if self._records.broken is not None:
            self.broken = (
                f"{self.name}: {self._records.broken}; only what comes before byte "
                f"{self._records.position} was used"
            )

    def _frame(self, seen: Seen, before: RecordedFrame | None, classes: int) -> RecordedFrame:
        if len(seen.scores) % 4 or len(seen.classes) % 4 or len(seen.features) % 4:
            raise self._wrong(f"frame {seen.number} has a part of a number")
        given: npt.NDArray[np.uint32] | None = None
        if not seen.scores:
            if before is None:
                raise self._wrong(f"frame {seen.number} has no scores")
            scores, given = before.scores, before.given
        elif seen.classes:
            given = np.frombuffer(seen.classes, "<u4")
            values = np.frombuffer(seen.scores, "<f4")
            if len(values) != len(given) or given.max() >= classes:
                raise self._wrong(f"frame {seen.number} has scores of other classes")
            scores = np.zeros(classes, np.float32)
            scores[given] = values
        else:
            scores = np.frombuffer(seen.scores, "<f4").astype(np.float32)
            if len(scores) != classes:
                raise self._wrong(
                    f"frame {seen.number} has {len(scores)} scores for {classes} labels"
                )
        low, high = float(scores.min()), float(scores.max())
        if not (-ROUNDING <= low <= high <= 1 + ROUNDING and np.isfinite(seen.captured_s)):
            raise self._wrong(f"frame {seen.number} has a score or a time that cannot be")
        features = np.frombuffer(seen.features, "<f4") if seen.features else None
        return RecordedFrame(
            *(seen.number, seen.captured_s, scores, given),
            *(seen.events, features, seen.jpeg, seen.known),
        )

    def _wrong(self, what: str) -> RecordingError:
        return RecordingError(f"{self.name}: {what}; the file is damaged, record again")
