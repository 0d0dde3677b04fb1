"""Groups pictures by the cells of a column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edged.config.nearest import did_you_mean, listed
from edged.config.toml import shown
from edged.evaluation.dataset import DataError, Dataset
from edged.evaluation.examples import MEASURED
from edged.evaluation.metrics import Integers

MAX_SLICES = 1000
RANGES_FROM = 13
"""With this many distinct numbers, a column is split into four ranges with equal numbers of
pictures."""


def check(dataset: Dataset, wanted: Sequence[str]) -> None:
    """DataError if a column in `wanted` is neither in `dataset` nor measured."""
    for column in wanted:
        _check(column, ("label", *dataset.columns, *MEASURED))


def slices(columns: Sequence[Mapping[str, str]], column: str) -> dict[str, Integers]:
    """Maps each value of `column` to the positions of its pictures, in the order of the values.

    Many different numbers become four ranges. DataError if there is no such column, or it has
    more than `MAX_SLICES` values.
    """
    _check(column, columns[0])
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for position, cells in enumerate(columns):
        groups[cells[column]].append(position)
    if len(groups) >= RANGES_FROM and (numbers := _numbers(groups)):
        return _quarters(groups, numbers)
    if len(groups) > MAX_SLICES:
        raise DataError(
            f"slice {shown(column)}: {len(groups)} different values, more than {MAX_SLICES}; "
            "slice by a column with fewer"
        )
    return {value: np.array(groups[value], np.int64) for value in sorted(groups)}


def _check(column: str, known: Collection[str]) -> None:
    if column not in known:
        raise DataError(
            f"slice {shown(column)}: no such column{did_you_mean(column, known)}; "
            f"there are {listed(dict.fromkeys(known))}"
        )


def _numbers(values: Mapping[str, object]) -> dict[str, float] | None:
    try:
        numbers = {value: float(value) for value in values}
    except ValueError:
        return None
    return numbers if np.isfinite(list(numbers.values())).all() else None


def _quarters(
    groups: Mapping[str, Sequence[int]], numbers: Mapping[str, float]
) -> dict[str, Integers]:
    positions = np.concatenate([np.array(groups[value], np.int64) for value in groups])
    values = np.concatenate([np.full(len(groups[value]), numbers[value]) for value in groups])
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return {
        f"{edges[which]:g} to {edges[which + 1]:g}": np.sort(positions[place == which])
        for which in range(len(edges) - 1)
        if (place == which).any()
    }
