"""How a picture looks, in numbers that light, lens and camera change and its subject hardly."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edged.anomaly.view import SIDE_PX, sharpness
from edged.core import Pixels
from edged.imaging.resample import Resampler, resample

STATISTICS = ("brightness", "contrast", "red", "blue", "sharpness", "score", "known")
"""What is compared with training pictures: of the picture, and what the model says of it.

``sharpness`` is that of the picture at the size of the model's input, ``score`` the greatest one,
and ``known`` says how usual the inner layers are (`edged.perception.known`).
"""

BLOCKS = 16
"""Along each side: what is left of the small picture when noise is averaged away."""

DETAIL_PX = 2 * SIDE_PX
"""Along each side of the picture whose sharpness is measured."""

_DIM = 4.0
"""Levels that are added before a logarithm: the colour of what is black is noise."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_BLOCK_MEANS = np.repeat(np.eye(BLOCKS, dtype=np.float32), SIDE_PX // BLOCKS, 1) * np.float32(
    BLOCKS / SIDE_PX
)

Floats = npt.NDArray[np.float32]


class Look:
    """A small picture, shape (SIDE_PX, SIDE_PX, 3), 0..255, and what follows from it.

    ``brightness`` is the mean and ``contrast`` the standard deviation of the luma (ITU-R BT.601),
    0..1; ``structure`` is the contrast that is no noise, of `BLOCKS` x `BLOCKS` means. ``colours``
    are the logarithms of red and blue over green of each block, shape (2, BLOCKS * BLOCKS), and
    ``red`` and ``blue`` their medians, which a thing in the picture hardly changes. ``view`` is the
    luma as a vector of mean 0 and length 1: the product of two is their correlation.
    """

    __slots__ = ("blue", "brightness", "colours", "contrast", "picture", "red", "structure", "view")

    def __init__(self, picture: Floats) -> None:
        luma = picture.reshape(-1, 3) @ _LUMA
        mean = float(luma.mean())
        view = luma - np.float32(mean)
        length = math.sqrt(float(view @ view))
        # Products of matrices are several times as fast as sums over axes.
        rows = (_BLOCK_MEANS @ picture.reshape(SIDE_PX, -1)).reshape(BLOCKS, SIDE_PX, 3)
        blocks = (_BLOCK_MEANS @ rows).reshape(-1, 3)
        logarithms = np.log(blocks + np.float32(_DIM)).T
        self.picture = picture
        self.brightness = mean / 255
        self.contrast = length / SIDE_PX / 255
        self.structure = float((blocks @ _LUMA).std()) / 255
        self.view: Floats = view * np.float32(1 / max(length, 1e-3))
        self.colours: Floats = logarithms[::2] - logarithms[1]
        self.red, self.blue = medians(self.colours)

    @property
    def stops(self) -> float:
        """The brightness: 1 more is twice as bright as displayed."""
        return math.log2(255 * self.brightness + 1)

    @property
    def grey(self) -> Floats:
        """The luma, shape (SIDE_PX, SIDE_PX)."""
        luma: Floats = self.picture @ _LUMA
        return luma

    def statistics(self) -> dict[str, float]:
        """Those of `STATISTICS` that the small picture has."""
        return {name: getattr(self, name) for name in STATISTICS[:4]}


class Looker:
    """Looks at frames of any size; reuses its memory. One thread."""

    def __init__(self) -> None:
        self._reduce, self._reduce_again = Resampler(), Resampler()
        self._detail = np.empty((DETAIL_PX, DETAIL_PX, 3), np.uint8)
        self._small = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8)

    def look(self, pixels: Pixels) -> tuple[Look, float]:
        """How a picture looks, and its sharpness at `DETAIL_PX`."""
        self._reduce(pixels, self._detail)
        self._reduce_again(self._detail, self._small)
        return Look(self._small.astype(np.float32)), sharpness(self._detail)


def statistics(pixels: Pixels, input_px: tuple[int, int]) -> dict[str, float]:
    """Those of `STATISTICS` that a picture has for a model whose input is (height, width)."""
    seen = np.empty((*input_px, 3), np.uint8)
    resample(pixels, seen)
    small = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8)
    resample(seen, small)
    return {**Look(small.astype(np.float32)).statistics(), "sharpness": sharpness(seen)}


def medians(colours: Floats) -> tuple[float, float]:
    """The median of red and of blue, of an array of shape (2, blocks)."""
    middle = colours.shape[1] // 2
    red, blue = np.partition(colours, middle, 1)[:, middle].tolist()
    return red, blue
