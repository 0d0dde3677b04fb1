"""Still scenes: whether a frame shows something that the last classified one did not.

Both are reduced to a grid of `CELLS` x `CELLS` means, and what counts is the greatest difference
of a cell less the median difference, which is the light's, or that median if it is greater. A thing
of 1 % of the frame covers eight cells; noise, JPEG and flicker are mean values there. The threshold
follows the level that the differences of this camera have without anything happening.

The comparison is with the last *classified* frame and not with the last one, so that a slow change
adds up until it counts.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from edged.core import Frame, Pixels, Prediction
from edged.imaging.resample import Resampler
from edged.inference.tensors import centre

CELLS = 28
"""Along each side of the frame."""

LEAST_CHANGE, MOST_CHANGE = 5.0, 14.0
"""Between these, in levels of 255, is the difference that counts as a change.

docs/reports/still.md: noise, JPEG and lamps stay below, things of 1 % of the frame above.
"""

ABOVE_NOISE, OFFSET = 1.5, 2.0
"""The threshold is this many times the usual difference, and this much above it."""

RISE, FALL = 0.2, 0.02
"""Steps per frame of the usual difference, which so becomes the 0.91 quantile: RISE/(RISE+FALL)."""

SETTLE_S = 0.5
"""For so long after a change every frame is classified: what comes to rest was blurred before."""

LEAST_ROWS = 4
"""Of each cell at least so many rows of pixels are read, where the frame has them."""

MOST_COLUMNS = CELLS * 100
"""Wider frames are read in part, for the resize of pictures has a bound on its reduction."""


class StillScenes:
    """Holds the prediction of the last classified frame as long as frames look the same.

    The loop's thread only. Times are the frames' capture times.
    """

    def __init__(
        self, hold_s: float, input_px: tuple[int, int], fit: Literal["stretch", "crop"] = "stretch"
    ) -> None:
        """A prediction holds for `hold_s` at most.

        `input_px` and `fit` say which part of a frame the model sees.
        """
        self._hold_s = hold_s
        self._crop_px = input_px if fit == "crop" else None
        self._resample = Resampler()
        self._grid = np.empty((CELLS, CELLS, 3), np.uint8)
        self._classified = np.empty_like(self._grid)
        self._usual = LEAST_CHANGE - OFFSET
        self._prediction: Prediction | None = None
        self._classified_s = self._changed_s = 0.0

    def held(self, frame: Frame) -> Prediction | None:
        """The prediction that holds for `frame`; None where it must be classified, and kept."""
        self.reduce(frame.pixels)
        at_s, prediction = frame.captured_s, self._prediction
        if prediction is None or self._shows_change() or at_s < self._classified_s:
            self._changed_s = at_s
            return None
        if at_s < self._changed_s + SETTLE_S or at_s >= self._classified_s + self._hold_s:
            return None
        return prediction

    def keep(self, prediction: Prediction, frame: Frame) -> None:
        """`frame`, of which `held` was asked last, was classified: this is what came of it."""
        # A score that counts as 0 because it is no number is nothing to rely on.
        self._prediction = prediction if prediction.finite else None
        self._classified_s = frame.captured_s
        self._grid, self._classified = self._classified, self._grid

    def forget(self) -> None:
        """Classify the next frame."""
        self._prediction = None

    def reduce(self, pixels: Pixels) -> Pixels:
        """The cells' means, shape (CELLS, CELLS, 3), until the next call."""
        if self._crop_px is not None:
            pixels = centre(pixels, *self._crop_px)
        rows = max(1, pixels.shape[0] // (CELLS * LEAST_ROWS))
        columns = -(-pixels.shape[1] // MOST_COLUMNS)
        self._resample(pixels[::rows, ::columns], self._grid)
        return self._grid

    def _shows_change(self) -> bool:
        found = change(self._grid, self._classified)
        least = min(max(ABOVE_NOISE * self._usual + OFFSET, LEAST_CHANGE), MOST_CHANGE)
        step = RISE if found > self._usual else -FALL
        self._usual = min(max(self._usual + step, 0.0), MOST_CHANGE)
        return found > least


def change(grid: Pixels, before: Pixels) -> int:
    """How much a grid of cells, of any shape, differs from another one, in levels of 255."""
    difference = np.subtract(grid, before, dtype=np.int16).reshape(-1)
    middle = difference.size // 2
    median = int(np.partition(difference, middle)[middle])
    return max(int(difference.max()) - median, median - int(difference.min()), abs(median))
