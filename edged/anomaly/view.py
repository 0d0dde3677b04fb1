"""The whole view: whether the lens is covered, out of focus, or looks elsewhere."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from edged.core import Pixels
from edged.imaging.resample import resample

SIDE_PX = 64
"""Of the small grey picture on which views are compared."""

Fault: TypeAlias = Literal["view blocked", "view out of focus", "view moved"]

LITTLE_CONTRAST = 0.4
"""Of the normal contrast: what remains before a covered lens."""

LITTLE_DETAIL = 0.6
"""Of the normal sharpness; and the picture is otherwise the same to `SAME`."""

SAME = 0.8
SHIFTED, BETTER = 0.9, 0.08
"""Correlations with the normal view: of the same view in another light, of a shifted view, and by
how much the shift must better it. docs/reports/different.md has what they are good for.
"""

FARTHEST = SIDE_PX // 3
"""The largest shift that is looked for, in pixels of the small picture."""

_PADDED = (2 * SIDE_PX, 2 * SIDE_PX)
"""So that what leaves the picture on one side does not come in on the other."""

Grey: TypeAlias = npt.NDArray[np.float32]


class View(msgspec.Struct, frozen=True):
    """A view in numbers: a grey picture of SIDE_PX x SIDE_PX as bytes, and its sharpness.

    The pictures are those that a model sees, all of its size: where details end depends on it.
    """

    grey: bytes
    sharpness: float

    def __post_init__(self) -> None:
        if len(self.grey) != SIDE_PX * SIDE_PX:
            raise ValueError("the small picture has another size")

    @classmethod
    def of(cls, pixels: Pixels) -> View:
        """What a picture shows."""
        grey = _grey(pixels, SIDE_PX)
        return cls(grey.astype(np.uint8).tobytes(), sharpness(pixels))

    def picture(self) -> Grey:
        """The small picture, shape (SIDE_PX, SIDE_PX)."""
        return np.frombuffer(self.grey, np.uint8).reshape(SIDE_PX, SIDE_PX).astype(np.float32)

    def fault(self, pixels: Pixels) -> Fault | None:
        """Why a picture that is different is so; None: for none of these reasons."""
        normal, now = self.picture(), _grey(pixels, SIDE_PX)
        if now.std() < LITTLE_CONTRAST * normal.std():
            return "view blocked"
        likeness = correlation(normal, now)
        if best_shifted(normal, now) >= max(SHIFTED, likeness + BETTER):
            return "view moved"
        if likeness >= SAME and sharpness(pixels) < LITTLE_DETAIL * self.sharpness:
            return "view out of focus"
        return None


def _grey(pixels: Pixels, side_px: int) -> Grey:
    small = np.empty((side_px, side_px, 3), np.uint8)
    resample(pixels, small)
    grey: Grey = small.mean(axis=2, dtype=np.float32)
    return grey


def sharpness(pixels: Pixels) -> float:
    """The mean absolute second difference over the contrast, which light does not change."""
    # Green is most of the brightness, and two thirds of the work are left out.
    green = pixels[..., 1].astype(np.float32)
    green -= green.mean()
    twice = green + green
    across = np.abs(twice[:, 1:-1] - green[:, :-2] - green[:, 2:]).mean()
    down = np.abs(twice[1:-1] - green[:-2] - green[2:]).mean()
    deviation = np.linalg.norm(green) / np.sqrt(green.size)
    return float((across + down) / (deviation + 1.0))


def correlation(one: Grey, other: Grey) -> float:
    """How alike two pictures of the same shape are, in any light: -1 to 1."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (np.sqrt((one**2).sum() * (other**2).sum()) + 1e-6))


def best_shifted(normal: Grey, now: Grey) -> float:
    """The best correlation of the parts that both show, over shifts of up to `FARTHEST`.

    Both have the shape (SIDE_PX, SIDE_PX).
    """
    spectrum = np.fft.rfft2(now - now.mean(), _PADDED)
    spectrum *= np.fft.rfft2(normal - normal.mean(), _PADDED).conj()
    matches = np.fft.irfft2(spectrum)
    best = 0.0
    reach = [*range(-FARTHEST, FARTHEST + 1)]
    near = matches[np.ix_(reach, reach)]
    for place in np.argsort(near, axis=None)[-5:]:
        down, across = (reach[i] for i in np.unravel_index(place, near.shape))
        if down or across:
            best = max(best, correlation(_part(normal, -down, -across), _part(now, down, across)))
    return best


def _part(picture: Grey, down: int, across: int) -> Grey:
    """What is left of a picture that is moved back by so many pixels."""
    height, width = picture.shape
    return picture[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
