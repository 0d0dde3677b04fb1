"""Whether two pictures would tell a person the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edged.core import Pixels
from edged.imaging.resample import resample
from edged.perception.still import MOST_CHANGE, change

CELLS = 16
"""Along each side of a picture."""

AS_SCORED = 0.2
"""Scores differ by less than this share where the model takes both pictures for the same."""

CORRELATED = 0.8
"""Correlation of two pictures from which on they show the same place."""


class Look(NamedTuple):
    """What is compared: the mean colours of a grid of cells, and the best classes with scores."""

    grid: Pixels
    best: Mapping[str, float]

    @classmethod
    def of(cls, pixels: Pixels, best: Mapping[str, float]) -> Look:
        """The look of a picture."""
        grid = np.empty((CELLS, CELLS, 3), np.uint8)
        resample(pixels, grid)
        return cls(grid, best)

    def alike(self, other: Look) -> bool:
        """Whether nothing is new, or the same place is taken for the same things."""
        if change(self.grid, other.grid) <= MOST_CHANGE:
            return True
        return self._apart(other) < AS_SCORED and self._correlation(other) > CORRELATED

    def _apart(self, other: Look) -> float:
        labels = {*self.best, *other.best}
        return sum(abs(self.best.get(one, 0.0) - other.best.get(one, 0.0)) for one in labels) / 2

    def _correlation(self, other: Look) -> float:
        one, two = (
            look.grid.reshape(-1).astype(np.float32) - look.grid.mean() for look in (self, other)
        )
        length = float(np.sqrt((one @ one) * (two @ two)))
        return float(one @ two) / length if length else 1.0
