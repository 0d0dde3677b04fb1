"""A stretch of the ring on its way to a file: from before an event until after the last one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from edged import __version__
from edged.recording.entries import Began, Finish, Sight
from edged.recording.lane import over, picture, setup
from edged.recording.records import FORMAT, Header, Seen
from edged.recording.writer import Writer
from edged.why import folder as files
from edged.why.ring import Ring

if TYPE_CHECKING:
    from edged.core import Deciding, Event, Scores

BEFORE_S, AFTER_S = 45.0, 15.0
"""What is kept of an event: from before its onset until after its decision."""

MOST_BYTES = 1 << 20
"""A file that has become so long ends, and the next event begins another one."""

ALL_CLASSES = 64
"""Of a model with more, a frame keeps the classes of rules, and the `BEST` others."""

BEST = 5

THUMBNAIL_PX, THUMBNAIL_QUALITY = 320, 75


class Excerpt:
    """One file that is open. Used by one thread. RecordingError, OSError where the disk fails."""

    def __init__(self, folder: Path, device: str, ring: Ring, event: Event) -> None:
        """Begin with what led to `event`."""
        folder.mkdir(mode=files.MODE, parents=True, exist_ok=True)
        self._ring = ring
        self._device = device
        self._position = ring.start(event.onset_s - BEFORE_S)
        self._deciding: Deciding | None = None
        self._classes: npt.NDArray[np.intp] | None = None
        self._lost = 0
        self._before: Scores | None = None
        self._last = event.number
        self.until_s = event.decided_s + AFTER_S
        """Nothing after this belongs to it, unless more happens."""
        self._writer = Writer(files.part(folder, event.number), mode=0o640)
        self._writer.write(Header(FORMAT, __version__, device, pictures=True))

    @property
    def full(self) -> bool:
        """Whether another file is to begin."""
        return self._writer.bytes >= MOST_BYTES

    def take(self) -> None:
        """Write what has come."""
        part = self._ring.since(self._position)
        self._position = part.position
        if part.missed:
            self._lost += part.missed
            self._deciding = None
        for entry in part.entries:
            match entry:
                case Began():
                    if entry.deciding is not self._deciding:
                        self._begin(entry)
                case _ if self._deciding is None:
                    self._lost += 1
                case Sight():
                    self._writer.write(self._seen(entry))
                    self._note(entry.events)
                case Finish():
                    self._writer.write(over(entry))
                    self._note(entry.ended.events)
            # The loop need not wait for more than one of them.
            time.sleep(0)
        self._writer.flush()

    def close(self) -> None:
        """No more comes."""
        with self._writer:
            self._writer.end("nothing more happened")
        files.close(self._writer.path, self._last)

    def abandon(self) -> None:
        """The disk fails: leave what is there."""
        self._writer.abandon()

    def _begin(self, began: Began) -> None:
        decider = began.deciding.decider
        self._writer.write(setup(replace(began, lost=self._lost), self._device))
        self._deciding, self._lost, self._before = began.deciding, 0, None
        if len(decider.labels) > ALL_CLASSES:
            members = {place for _, classes in decider.groups.members for place in classes}
            self._classes = np.array(sorted(members), np.intp)
        else:
            self._classes = None

    def _seen(self, sight: Sight) -> Seen:
        same = sight.scores is self._before
        self._before = scores = sight.scores
        classes, values = b"", scores
        if self._classes is not None:
            best = np.argpartition(scores, -BEST)[-BEST:]
            # numpy's own union imports its masked arrays: 1.4 MB.
            kept = np.array(sorted({*self._classes.tolist(), *best.tolist()}), np.intp)
            # What is not written is 0.
            kept = kept[scores[kept] != 0.0] if scores[best].any() else best
            classes, values = kept.astype("<u4").tobytes(), scores[kept]
        jpeg = b""
        if sight.frame is not None:
            jpeg = picture(sight.frame, THUMBNAIL_QUALITY, THUMBNAIL_PX)
        return Seen(
            sight.number,
            sight.captured_s,
            b"" if same else values.astype("<f4").tobytes(),
            b"" if same else classes,
            sight.events,
            jpeg=jpeg,
            known=sight.known,
        )

    def _note(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._last = max(self._last, event.number)
            self.until_s = max(self.until_s, event.decided_s + AFTER_S)
