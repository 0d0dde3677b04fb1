"""What is usual before one camera: the ways in which its view looks, by day, by lamp, by night.

A scene has a few such *modes*, between which light and lamps change it. Each is a small picture
with its usual statistics. A mode is learned while it is seen and counts after some minutes; no
clock is needed to know the night when it comes again.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edged.anomaly.view import SIDE_PX
from edged.core import Pixels
from edged.drift.statistics import Statistics, grey
from edged.files import open_regular, write_atomically

log = logging.getLogger(__name__)

MODES = 16
"""Most that are kept; the one that was seen least goes first."""

ESTABLISHED_S = 600.0
"""A mode that was seen for so long is usual."""

MEMORY_S = 3 * 86400.0
"""The time constant with which a mode follows what it becomes."""

COLOURLESS = 0.01
"""Deviation of red and blue from green, in logarithms, up to which a picture has no colour."""

FILE_BYTES = 1 << 20

Vector = npt.NDArray[np.float32]
_NUMBERS = ("structure", "sharpness", "red", "blue")

_BLOCKS = 16
"""Along each side: what is left of the small picture when noise is averaged away."""


class Sample(NamedTuple):
    """A frame: its statistics, and its small grey picture as a vector of mean 0 and length 1."""

    statistics: Statistics
    view: Vector
    small: Vector
    """The picture itself, shape (SIDE_PX, SIDE_PX), 0..255."""
    structure: float
    """The contrast that is no noise: the standard deviation of its blocks, 0..1."""

    @classmethod
    def of(cls, pixels: Pixels) -> Sample:
        """Of a picture of 2 SIDE_PX by 2 SIDE_PX."""
        luma = grey(pixels).reshape(SIDE_PX, 2, SIDE_PX, 2)
        small: Vector = luma.mean((1, 3), dtype=np.float32)
        side = SIDE_PX // _BLOCKS
        blocks = small.reshape(_BLOCKS, side, _BLOCKS, side).mean((1, 3))
        return cls(Statistics.of(pixels), _view(small), small, float(blocks.std()) / 255)

    @property
    def level(self) -> float:
        """The brightness in stops: 1 more is twice as bright as displayed."""
        return math.log2(255 * self.statistics.brightness + 1)

    def numbers(self) -> list[float]:
        """Those of `_NUMBERS`."""
        return [self.structure, *(getattr(self.statistics, name) for name in _NUMBERS[1:])]

    @property
    def colourless(self) -> bool:
        """Whether it is grey, as by infrared light."""
        return max(abs(self.statistics.red), abs(self.statistics.blue)) < COLOURLESS


class Mode(msgspec.Struct):
    """A way in which the view looks. ``mean`` and ``spread`` are of `_NUMBERS`.

    ``small`` is the mean small picture, 0..255.
    """

    seen_s: float
    level: float
    colourless: bool
    mean: list[float]
    spread: list[float]
    small: bytes

    @classmethod
    def of(cls, sample: Sample) -> Mode:
        """One that was seen first now."""
        numbers = sample.numbers()
        small = np.rint(sample.small).astype(np.uint8).tobytes()
        return cls(0.0, sample.level, sample.colourless, numbers, [0.0] * len(numbers), small)

    @property
    def established(self) -> bool:
        """Whether it is usual."""
        return self.seen_s >= ESTABLISHED_S

    def picture(self) -> Vector:
        """The small picture, shape (SIDE_PX, SIDE_PX)."""
        return np.frombuffer(self.small, np.uint8).reshape(SIDE_PX, SIDE_PX).astype(np.float32)

    def usually(
        self, name: Literal["structure", "sharpness", "red", "blue"]
    ) -> tuple[float, float]:
        """Mean and mean absolute deviation of a statistic."""
        place = _NUMBERS.index(name)
        return self.mean[place], self.spread[place]


class Course(msgspec.Struct):
    """How a number that wanders usually runs: mean and mean deviation, and for how long seen."""

    seen_s: float = 0.0
    mean: float = 0.0
    spread: float = 0.0

    def learn(self, value: float, elapsed_s: float) -> None:
        """It was `value` for `elapsed_s`."""
        if not self.seen_s:
            self.mean = value
        self.seen_s += elapsed_s
        share = elapsed_s / max(min(self.seen_s, MEMORY_S), 1e-9)
        away = value - self.mean
        self.spread += (abs(away) - self.spread) * share
        self.mean += away * share


class Usual(msgspec.Struct):
    """All that is learned: the modes; whether it became dark at once before; the model's answers.

    ``known`` is how known the pictures look to ``model``, over minutes.
    """

    modes: list[Mode] = []
    dark_at_once: bool = False
    model: str = ""
    known: Course = msgspec.field(default_factory=Course)


class Memory:
    """A `Usual` ready for use. One thread."""

    def __init__(self, usual: Usual | None = None) -> None:
        self.usual = usual or Usual()
        self._pictures = [mode.picture() for mode in self.usual.modes]
        self._views = np.array([_view(picture) for picture in self._pictures], np.float32)

    def likenesses(self, sample: Sample) -> Vector:
        """The correlation of a picture with each mode, shape (modes,)."""
        if not len(self._views):
            return np.empty(0, np.float32)
        found: Vector = self._views @ sample.view
        return found

    def picture(self, place: int) -> Vector:
        """The mean small picture of the mode at `place`."""
        return self._pictures[place]

    def learn(self, place: int | None, sample: Sample, elapsed_s: float) -> None:
        """The mode at `place`, or a new one, looked like this for `elapsed_s`."""
        if place is None:
            place = self._add(sample)
        mode = self.usual.modes[place]
        mode.seen_s += elapsed_s
        share = elapsed_s / max(min(mode.seen_s, MEMORY_S), elapsed_s, 1e-9)
        mode.level += (sample.level - mode.level) * share
        for number, value in enumerate(sample.numbers()):
            away = value - mode.mean[number]
            mode.spread[number] += (abs(away) - mode.spread[number]) * share
            mode.mean[number] += away * share
        self._pictures[place] += (sample.small - self._pictures[place]) * np.float32(share)
        self._views[place] = _view(self._pictures[place])

    def forget(self) -> None:
        """All modes."""
        self.usual.modes = []
        self._pictures = []
        self._views = np.empty((0, SIDE_PX * SIDE_PX), np.float32)

    def told(self) -> bytes:
        """All of it, as it is stored."""
        for mode, picture in zip(self.usual.modes, self._pictures, strict=True):
            mode.small = np.clip(np.rint(picture), 0, 255).astype(np.uint8).tobytes()
        return msgspec.msgpack.encode(self.usual)

    def _add(self, sample: Sample) -> int:
        modes = self.usual.modes
        if len(modes) == MODES:
            least = min(range(MODES), key=lambda place: modes[place].seen_s)
            del modes[least], self._pictures[least]
            self._views = np.delete(self._views, least, axis=0)
        modes.append(Mode.of(sample))
        self._pictures.append(sample.small.copy())
        views = [self._views] if len(self._views) else []
        self._views = np.concatenate([*views, sample.view[None]])
        return len(modes) - 1


def read(path: Path) -> Memory:
    """What was learned before; nothing where that is absent, or damaged, which is told."""
    try:
        with open_regular(path) as file:
            usual = msgspec.msgpack.decode(file.read(FILE_BYTES), type=Usual)
        if len(usual.modes) > MODES or any(
            len(mode.small) != SIDE_PX * SIDE_PX
            or len(mode.mean) != len(_NUMBERS)
            or len(mode.spread) != len(_NUMBERS)
            or not np.isfinite([mode.seen_s, mode.level, *mode.mean, *mode.spread]).all()
            for mode in usual.modes
        ):
            raise ValueError("its numbers are none of a view")
        return Memory(usual)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
        log.warning("%s cannot be read (%s); edged learns what is usual again", path, error)
    return Memory()


def write(path: Path, content: bytes) -> None:
    """Store what `Memory.told` gave."""
    try:
        write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or error
        log.error("%s cannot be written: %s; after a restart edged learns it again", path, reason)


def _view(picture: Vector) -> Vector:
    view = (picture - picture.mean()).reshape(-1)
    found: Vector = view / max(float(np.linalg.norm(view)), 1e-6)
    return found
