"""What is usual before one camera: the ways in which its view looks, by day, by lamp, by night.

Light and lamps change a view between a few such *modes*, each a mean small picture. A mode is
learned while it is seen and is usual after some minutes; no clock is needed to know the night when
it comes again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from edged.anomaly.view import SIDE_PX
from edged.drift.look import Floats, Look, medians
from edged.files import open_regular, write_atomically

log = logging.getLogger(__name__)

MODES = 16
"""The most that are kept; the one that was seen least goes first."""

USUAL_S = 600.0
"""A mode that was seen for so long is usual."""

MEMORY_S = 3 * 86400.0
"""The time constant with which a mode, or a number, follows what it becomes."""

FILE_BYTES = 1 << 20


class Number(msgspec.Struct):
    """How a number usually is: mean and mean deviation, and for how long it was seen."""

    seen_s: float = 0.0
    mean: float = 0.0
    spread: float = 0.0

    def learn(self, value: float, elapsed_s: float) -> None:
        """It was `value` for `elapsed_s`."""
        if not self.seen_s:
            self.mean = value
        share = _share(self.seen_s, elapsed_s)
        self.seen_s += elapsed_s
        away = value - self.mean
        self.spread += (abs(away) - self.spread) * share
        self.mean += away * share


class StoredMode(msgspec.Struct):
    """A mode in the file; ``picture`` is its small picture as bytes, a level each."""

    sharpness: Number
    picture: bytes


class Stored(msgspec.Struct):
    """The content of the file.

    ``camera`` tells one framing of a camera from another; it was watched for ``seen_s``. ``known``
    is how known the pictures look to ``model``, over minutes. ``dark_at_once``: whether it became
    dark at once and was no fault.
    """

    camera: str
    seen_s: float = 0.0
    modes: list[StoredMode] = []
    dark_at_once: bool = False
    model: str = ""
    known: Number = msgspec.field(default_factory=Number)


class Mode:
    """A way in which the view looks, for as long as ``sharpness`` was seen."""

    def __init__(self, picture: Floats, sharpness: Number) -> None:
        self.look = Look(picture)
        self.sharpness = sharpness

    @property
    def usual(self) -> bool:
        """Whether it was seen long enough."""
        return self.sharpness.seen_s >= USUAL_S

    def learn(self, look: Look, sharpness: float, elapsed_s: float) -> None:
        """It looked like this for `elapsed_s`."""
        share = np.float32(_share(self.sharpness.seen_s, elapsed_s))
        self.sharpness.learn(sharpness, elapsed_s)
        mean = self.look.picture
        self.look = Look(mean + (look.picture - mean) * share)

    def cast(self, look: Look) -> float:
        """By how much most of a picture of this view has other colours, in logarithms."""
        return max(map(abs, medians(look.colours - self.look.colours)))


class Views:
    """All modes of one camera, and what is usual else. One thread."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.modes = [
            Mode(
                np.frombuffer(mode.picture, np.uint8).reshape(SIDE_PX, SIDE_PX, 3) + np.float32(0),
                mode.sharpness,
            )
            for mode in stored.modes
        ]

    def usual(self) -> Iterator[Mode]:
        """Those that were seen long enough."""
        return (mode for mode in self.modes if mode.usual)

    def add(self, look: Look) -> Mode:
        """A new mode, in the place of the one that was seen least where there are too many."""
        if len(self.modes) == MODES:
            self.modes.remove(min(self.modes, key=lambda mode: mode.sharpness.seen_s))
        self.modes.append(Mode(look.picture, Number()))
        return self.modes[-1]

    def forget(self) -> None:
        """What the view looks like, and what the model knows of it."""
        self.modes = []
        self.stored.seen_s, self.stored.known = 0.0, Number()

    def told(self) -> bytes:
        """All of it, as it is stored."""
        self.stored.modes = [
            StoredMode(mode.sharpness, np.rint(mode.look.picture).astype(np.uint8).tobytes())
            for mode in self.modes
        ]
        return msgspec.msgpack.encode(self.stored)


def read(path: Path, camera: str) -> Views:
    """What was learned of the `camera` before.

    Nothing where that is absent, of another framing, or damaged, which is told.
    """
    try:
        with open_regular(path) as file:
            stored = msgspec.msgpack.decode(file.read(FILE_BYTES), type=Stored)
        _check(stored)
        if stored.camera == camera:
            return Views(stored)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
        log.warning("%s cannot be read (%s); edged learns what is usual again", path, error)
    return Views(Stored(camera))


def write(path: Path, content: bytes) -> None:
    """Store what `Views.told` gave."""
    try:
        write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or error
        log.error("%s cannot be written: %s; after a restart edged learns it again", path, reason)


def _check(stored: Stored) -> None:
    """ValueError for numbers that no view has."""
    numbers = [stored.known, *(mode.sharpness for mode in stored.modes)]
    if len(stored.modes) > MODES or any(
        len(mode.picture) != 3 * SIDE_PX * SIDE_PX for mode in stored.modes
    ):
        raise ValueError("its pictures have another size")
    values = [value for one in numbers for value in (one.seen_s, one.mean, one.spread)]
    if not all(map(math.isfinite, (stored.seen_s, *values))):
        raise ValueError("a number is not finite")


def _share(seen_s: float, elapsed_s: float) -> float:
    """How far a mean that was seen for `seen_s` moves towards what is seen for `elapsed_s`."""
    return elapsed_s / max(min(seen_s + elapsed_s, MEMORY_S), 1e-9)
