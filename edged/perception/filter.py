"""The steps for every score of a frame: look-up, grouping by rule, low-pass filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edged.core import Scores

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def look_up(table: Scores, levels: npt.NDArray[Any]) -> Scores:
    """The score in `table`, shape (256,), of each byte of `levels`, of any shape, as a row."""
    return table.take(levels.reshape(-1).view(np.uint8))


class Groups:
    """The concatenated classes of all rules, and whether a rule takes their sum."""

    def __init__(self, members: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        """`members` has ``max`` or ``sum`` and the classes, at least one, for each rule."""
        sizes = [len(classes) for _, classes in members]
        self.members = members
        self._classes = np.array([i for _, classes in members for i in classes], np.intp)
        self._starts = np.cumsum(sizes, dtype=np.intp) - sizes
        self._sums = np.array([how == "sum" for how, _ in members], np.bool_)
        self._any_sums = bool(self._sums.any())

    def scores(self, scores: Scores) -> Scores:
        """The unsmoothed score of each rule: the maximum of its classes, or their sum up to 1."""
        of_classes = scores.take(self._classes)
        greatest = np.maximum.reduceat(of_classes, self._starts)
        if not self._any_sums:
            return greatest
        total = np.add.reduceat(of_classes, self._starts)
        return np.where(self._sums, np.minimum(total, np.float32(1)), greatest)


class Filter:
    """First-order low-pass filters of all classes, with one rate, and of all rules.

    ``classes`` has the filtered score of each class; ``score`` that of each rule, and ``raw`` its
    target in the last step, both new arrays at each step. ``unset`` marks rules whose next score is
    taken unfiltered.
    """

    def __init__(
        self,
        classes: int,
        class_rate: float,
        groups: Groups,
        rates: Floats,
        competing: int | None = None,
    ) -> None:
        """Rates in 1/s, infinite without smoothing; only the first `competing` may be best."""
        self._competing = competing
        self.groups = groups
        self.rates = rates
        self.classes = np.zeros(classes, np.float32)
        self.score = np.zeros(len(rates))
        self.raw = np.zeros(len(rates), np.float32)
        self.unset: Flags = np.ones(len(rates), np.bool_)
        self._class_rate = class_rate
        # Usually one for all.
        self._different_rates, self._which = np.unique(rates, return_inverse=True)

    def step(
        self,
        scores: Scores,
        held_s: float | None,
        threshold: Floats,
        wish: Flags,
        deaf: Flags | None = None,
    ) -> tuple[int, bool]:
        """Apply `scores` for `held_s`; None is for a first frame, which classes take unfiltered.

        For the rules that are `deaf` this frame scores 0. Returns the class that is then best, and
        whether for any rule ``score >= threshold`` differs from `wish`.
        """
        gain = 1.0 if held_s is None else _gain(self._class_rate, held_s)
        self.classes += (scores - self.classes) * np.float32(gain)
        best = int(self.classes[: self._competing].argmax())
        if not len(self.rates):
            return best, False
        self.raw = self.groups.scores(scores)
        if deaf is not None:
            self.raw = np.where(deaf, np.float32(0), self.raw)
        gains = self._gains(held_s or 0.0)
        self.score = self.score + (self.raw - self.score) * gains
        return best, bool(((self.score >= threshold) != wish).any())

    def along_classes(
        self, before: float | None, value: float | None, held_s: float | None
    ) -> float | None:
        """What becomes of `before` when `value` holds for `held_s`, at the rate of the classes."""
        if value is None or before is None or held_s is None:
            return value
        return before + (value - before) * _gain(self._class_rate, held_s)

    def _gains(self, held_s: float) -> Floats | float:
        if len(self._different_rates) == 1:
            gains: Floats | float = _gain(float(self._different_rates[0]), held_s)
        else:
            of_rates = [_gain(float(rate), held_s) for rate in self._different_rates]
            gains = np.array(of_rates)[self._which]
        return np.where(self.unset, 1.0, gains) if self.unset.any() else gains


def _gain(rate: float, held_s: float) -> float:
    """The filter's gain for a score that lasts `held_s`."""
    if held_s > 0.0:
        return -math.expm1(-held_s * rate)
    return 1.0 if math.isinf(rate) else 0.0
