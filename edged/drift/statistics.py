"""A picture in a few numbers, which light, lens and camera change and its subject hardly."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from edged.anomaly.view import sharpness
from edged.core import Pixels

STATISTICS = ("brightness", "contrast", "sharpness", "red", "blue", "score", "known")
"""All that are compared: of the picture, and what the model says of it."""


class Statistics(msgspec.Struct, frozen=True):
    """One picture.

    ``brightness`` and ``contrast`` are mean and standard deviation of the luma (ITU-R BT.601),
    0..1. ``sharpness`` is that of `edged.anomaly.view`. ``red`` and ``blue`` are the logarithms of
    these colours' means over that of green.
    """

    brightness: float
    contrast: float
    sharpness: float
    red: float
    blue: float

    @classmethod
    def of(cls, pixels: Pixels) -> Statistics:
        """Those of a picture of the size that a model sees, at least 3 x 3 pixels."""
        red, green, blue = (float(mean) for mean in pixels.reshape(-1, 3).mean(0))
        luma = grey(pixels)
        return cls(
            brightness=float(luma.mean()) / 255,
            contrast=float(luma.std()) / 255,
            sharpness=sharpness(pixels),
            red=math.log((red + 1) / (green + 1)),
            blue=math.log((blue + 1) / (green + 1)),
        )


def grey(pixels: Pixels) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The luma, 0..255, shape (height, width)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    luma: np.ndarray[tuple[int, int], np.dtype[np.float32]] = pixels @ weights
    return luma
