"""What pictures are like, many at once, and how far others are from that: the skew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from edged.drift.look import STATISTICS

EDGES = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""The shares of the pictures below the numbers of a `Summary`."""

_LEAST_SHARE = 0.001
"""A part without pictures counts as this one, or the index would be infinite."""


Values: TypeAlias = Sequence[float] | npt.NDArray[np.float32]


class Summary(msgspec.Struct, frozen=True):
    """For each statistic the quantiles at `EDGES` over ``pictures``."""

    pictures: int
    quantiles: dict[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        for name, edges in self.quantiles.items():
            rising = all(low <= high for low, high in pairwise(edges))
            if name not in STATISTICS or len(edges) != len(EDGES) or not rising:
                raise ValueError(f"its summary of pictures has no quantiles of {name}")

    @classmethod
    def of(cls, values: Mapping[str, Values]) -> Summary:
        """Of the values of each statistic, one for each picture."""
        quantiles = {
            name: tuple(np.quantile(np.asarray(column), EDGES).tolist())
            for name, column in values.items()
        }
        return cls(max(map(len, values.values())), quantiles)

    def outside(self, name: str, value: float) -> bool | None:
        """Whether a picture lies outside of 98 % of these; None without that statistic."""
        edges = self.quantiles.get(name)
        return None if edges is None else not edges[0] <= value <= edges[-1]


class Skew(msgspec.Struct, frozen=True):
    """A statistic of a set against a summary.

    ``outside`` is the share of its pictures that lie outside of 98 % of the summary's, 0.02 where
    nothing differs. ``psi`` is the population stability index over ten parts: 0.1 is a small
    difference and 0.25 a large one, as it is commonly read (Siddiqi, "Credit Risk Scorecards",
    2006).
    """

    statistic: str
    median: float
    low: float
    high: float
    median_there: float
    outside: float
    psi: float


def skew(reference: Summary, values: Mapping[str, Values]) -> list[Skew]:
    """How far `values` of each statistic are from the `reference`, in the order of `STATISTICS`."""
    rows = []
    for name in STATISTICS:
        if name not in values or name not in reference.quantiles or not len(values[name]):
            continue
        column = np.asarray(values[name], np.float64)
        edges = reference.quantiles[name]
        row = Skew(
            statistic=name,
            median=_rounded(edges[EDGES.index(0.5)]),
            low=_rounded(edges[0]),
            high=_rounded(edges[-1]),
            median_there=_rounded(float(np.median(column))),
            outside=_rounded(float(((column < edges[0]) | (column > edges[-1])).mean())),
            psi=_rounded(stability(edges[1:-1], column)),
        )
        rows.append(row)
    return rows


def stability(deciles: Sequence[float], values: npt.NDArray[np.float64]) -> float:
    """The population stability index of `values` over the parts between nine `deciles`.

    Deciles may be equal, as of a score that is often 1: such values count in all parts there alike.
    """
    parts = len(deciles) + 1
    first = np.searchsorted(deciles, values, "left")
    last = np.searchsorted(deciles, values, "right")
    weight = 1 / (last - first + 1)
    begun = np.bincount(first, weight, parts) - np.bincount(last + 1, weight, parts + 1)[:parts]
    found = np.maximum(np.cumsum(begun) / len(values), _LEAST_SHARE)
    return float(((found - 1 / parts) * np.log(found * parts)).sum())


def _rounded(value: float) -> float:
    return round(value, 4)
