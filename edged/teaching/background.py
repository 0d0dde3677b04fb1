"""What taught pictures must be told from: the pictures that the model was made for.

How close a picture is to what was taught does not say that it is nothing else, and what a model was
made for may be close too. Where its reference has the mean and the main directions of these
pictures, the direction that tells them best from the taught ones (Fisher's linear discriminant,
with the covariances of both) counts beside the distance.

All is computed from products, as in `head`: of the pictures, then of the background's rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edged.perception.reference import Floats, Rows, Vectors, floats

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RIDGE = 1e-3
"""Of all variance, added in each direction: few pictures do not show in which they vary."""


class Background:
    """Vectors of the pictures that a model was made for: ``rows``, float64 (1 + rank, size).

    First their mean, then the directions in which they vary most, each as long as their deviation
    in it. ``rest`` is the variance in each other direction.
    """

    def __init__(self, known: Vectors) -> None:
        """ValueError if the parts of `known` do not fit each other."""
        mean = floats(known.mean)
        rows = np.concatenate([mean[None], known.directions.matrix(len(mean))])
        self.rows = rows.astype(np.float64)
        self.rest = known.rest
        if not 0 <= self.rest < np.inf:
            raise ValueError("a variance is none")


def vectors(rows: Floats, tensors: tuple[int, ...], rank: int) -> Vectors:
    """What is kept of the vectors of pictures, shape (pictures, size)."""
    mean = rows.mean(0)
    apart = (rows - mean).astype(np.float64)
    variance, axes = np.linalg.eigh(apart.T @ apart / len(apart))
    rank = min(rank, len(variance))
    rest = float(variance[: len(variance) - rank].sum()) / len(variance)
    directions = (axes[:, ::-1] * np.sqrt(np.maximum(variance[::-1], 0)))[:, :rank]
    return Vectors(
        tensors, mean.astype("<f4").tobytes(), Rows.of(directions.T.astype(np.float32)), rest
    )


def away(product: Doubles, pictures: Flags, rest: float) -> Doubles:
    """The combination of all rows that tells the `pictures` from the background.

    The first rows are the pictures, of which some count; then come the background's.
    """
    count, inside = len(pictures), np.flatnonzero(pictures)
    few = len(inside)
    mean = np.zeros(len(product))
    mean[inside] = 1 / few
    apart = mean.copy()
    apart[count] = -1
    spread = np.zeros((few + len(product) - count - 1, len(product)))
    spread[np.arange(few), inside] = 1
    spread[:few] -= mean
    spread[:few] /= np.sqrt(few)
    spread[few:, count + 1 :] = np.eye(len(spread) - few)
    toward = spread @ product
    within = toward @ spread.T
    ridge = RIDGE * np.trace(within) + rest
    solved = np.linalg.solve(within + ridge * np.eye(len(within)), toward @ apart)
    return np.asarray(apart - solved @ spread)
