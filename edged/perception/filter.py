"""What is done to every score of a frame: looked up, grouped by rule, followed over time.

Compiled where the extension could be built, else with numpy: the same values either way, but for
the rounding of sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edged.core import Scores
from edged.native import scores as compiled

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def look_up(table: Scores, levels: npt.NDArray[Any]) -> Scores:
    """The score in `table`, of shape (256,), of each byte of `levels`, of any shape, as a row."""
    if compiled is None:
        return table.take(levels.reshape(-1).view(np.uint8))
    scores = np.empty(levels.size, np.float32)
    compiled.look_up(table, levels, scores)
    return scores


class Groups:
    """The classes of each rule, one after another, and whether a rule takes their sum."""

    def __init__(self, members: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        """`members` has ``max`` or ``sum`` and the classes, at least one, for each rule."""
        sizes = [len(classes) for _, classes in members]
        self.members = members
        self.classes = np.array([i for _, classes in members for i in classes], np.int32)
        self.ends = np.cumsum(sizes, dtype=np.int32)
        self.sums = np.array([how == "sum" for how, _ in members], np.bool_)
        self._starts = self.ends - np.array(sizes, np.int32)

    def scores(self, scores: Scores) -> Scores:
        """The unsmoothed score of each rule: the greatest of its classes, or their sum up to 1."""
        of_classes = scores.take(self.classes)
        greatest = np.maximum.reduceat(of_classes, self._starts)
        if not self.sums.any():
            return greatest
        total = np.add.reduceat(of_classes, self._starts)
        return np.where(self.sums, np.minimum(total, np.float32(1)), greatest)


class Filter:
    """First-order low-pass filters of all classes, with one rate, and of all rules.

    ``classes`` has the filtered score of each class, ``score`` that of each rule, a new array with
    each step; ``raw`` is what a rule's went towards in the last one, and is written over in the
    next. ``unset`` marks rules whose next score is taken as it is.
    """

    def __init__(self, classes: int, class_rate: float, groups: Groups, rates: Floats) -> None:
        """Rates in 1/s, infinite where nothing is smoothed."""
        self.groups = groups
        self.rates = rates
        self.classes = np.zeros(classes, np.float32)
        self.score = np.zeros(len(rates))
        self.raw = np.zeros(len(rates), np.float32)
        self.unset: Flags = np.ones(len(rates), np.bool_)
        self._class_rate = class_rate

    def step(
        self, scores: Scores, held_s: float | None, threshold: Floats, wish: Flags
    ) -> tuple[int, bool]:
        """Let `scores` hold for `held_s`; None is a first frame, which classes take as it is.

        Returns the class that is best then, and whether for any rule ``score >= threshold`` is not
        what `wish` has.
        """
        gain = 1.0 if held_s is None else _gain(self._class_rate, held_s)
        before, self.score = self.score, np.empty(len(self.rates))
        if compiled is None:
            return self._step(scores, gain, held_s or 0.0, threshold, wish, before)
        groups = self.groups
        result: tuple[int, bool] = compiled.follow(
            gain,
            held_s or 0.0,
            scores,
            self.classes,
            groups.classes,
            groups.ends,
            groups.sums,
            self.rates,
            self.unset,
            threshold,
            wish,
            before,
            self.raw,
            self.score,
        )
        return result

    def _step(
        self,
        scores: Scores,
        class_gain: float,
        held_s: float,
        threshold: Floats,
        wish: Flags,
        before: Floats,
    ) -> tuple[int, bool]:
        self.classes += (scores - self.classes) * np.float32(class_gain)
        best = int(self.classes.argmax())
        if not len(self.rates):
            return best, False
        self.raw[:] = self.groups.scores(scores)
        gains = np.where(self.unset, 1.0, _gains(self.rates, held_s))
        self.score[:] = before + (self.raw - before) * gains
        return best, bool(((self.score >= threshold) != wish).any())


def _gain(rate: float, held_s: float) -> float:
    """How far the filter goes towards a score that holds for `held_s`."""
    if held_s > 0.0:
        return -math.expm1(-held_s * rate)
    return 1.0 if math.isinf(rate) else 0.0


def _gains(rates: Floats, held_s: float) -> Floats:
    """The same for each rate."""
    if held_s > 0.0:
        gains: Floats = -np.expm1(-held_s * rates)
        return gains
    return np.where(np.isinf(rates), 1.0, 0.0)
