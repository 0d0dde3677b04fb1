"""Metrics of a classifier's outcomes, computed with numpy only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CALIBRATION_BINS = 15


def ranks(scores: npt.NDArray[np.float32], label: int) -> int:
    """The place of class `label` among `scores`, 0 for the best; equal scores by lower index."""
    own = scores[label]
    return int((scores > own).sum() + (scores[:label] == own).sum())


def top(rank: Integers, count: int) -> float:
    """The share of pictures whose label is among the best `count` classes; nan without pictures."""
    return float((rank < count).mean()) if rank.size else math.nan


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of `count`: Wilson, JASA 22 (1927), 209-212."""
    if not count:
        return math.nan, math.nan
    z = 1.959964
    centre = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max((centre - reach) / scale, 0.0), min((centre + reach) / scale, 1.0)


def confusion(truth: Integers, predicted: Integers, classes: int) -> Integers:
    """Shape (classes, classes): how often the row's class was predicted as the column's."""
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


class ClassScores(NamedTuple):
    """One value per class, nan where it is undefined; ``support`` counts its pictures.

    Precision is undefined for a class that is never predicted, recall for one without pictures, F1
    if both apply.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    support: Integers


def per_class(truth: Integers, predicted: Integers, classes: int) -> ClassScores:
    """Precision, recall and F1 of each class against all others."""
    support = np.bincount(truth, minlength=classes).astype(np.int64)
    said = np.bincount(predicted, minlength=classes)
    right = np.bincount(truth[truth == predicted], minlength=classes)
    with np.errstate(invalid="ignore"):
        return ClassScores(right / said, right / support, 2 * right / (said + support), support)


class Calibration(NamedTuple):
    """Bins of equal width over the confidence 0..1; means are nan in an empty bin."""

    counts: Integers
    confidence: Floats
    accuracy: Floats
    error: float


def calibration(
    confidence: npt.NDArray[np.floating], correct: Flags, bins: int = CALIBRATION_BINS
) -> Calibration:
    """The expected calibration error: Guo et al., "On Calibration of Modern Neural Networks", 2017.

    `confidence` is the best class's score of each picture. A bin includes its upper edge but not
    its lower one, except the first.
    """
    # In double precision a float32 score just above an edge stays above it.
    values = confidence.astype(np.float64)
    place = np.clip(np.ceil(values * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.int64)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, values, bins) / counts
        accuracy = np.bincount(place, correct.astype(np.float64), bins) / counts
    filled = counts > 0
    gap = np.abs(mean - accuracy)[filled] * counts[filled]
    error = float(gap.sum() / counts.sum()) if counts.sum() else math.nan
    return Calibration(counts, mean, accuracy, error)


def robust_z(values: Floats) -> Floats:
    """Distance from the median in units of a normal distribution's standard deviation.

    Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993: 0.6745 (x - median) / MAD.
    0 everywhere if more than half of the values are equal.
    """
    if not values.size:
        return values
    away = values - np.median(values)
    deviation = np.median(np.abs(away))
    return 0.6745 * away / deviation if deviation else np.zeros_like(away)
