"""What taught pictures must be told from: the pictures that the model was made for.

How close a picture is to what was taught does not say that it is nothing else, and what a model was
made for may be close too. Where its reference has the mean and the main directions of these
pictures, the direction that tells them best from the taught ones (Fisher's linear discriminant,
with the covariances of both) counts beside the distance.

All is computed from products, as in `head`: of the pictures, then of the background's rows.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edged.perception import known
from edged.perception.reference import ADVICE, Floats, Rows, Vectors, floats
from edged.teaching.reading import Reading

log = logging.getLogger(__name__)

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RIDGE = 2e-3
"""Of all variance, added in each direction: few pictures do not show in which they vary."""


class Background:
    """Vectors of the pictures that a model was made for: ``rows``, float64 (1 + rank, size).

    First their mean, then the directions in which they vary most, each as long as their deviation
    in it. ``rest`` is the variance in each other direction.
    """

    def __init__(self, vectors: Vectors) -> None:
        """ValueError if the parts of `vectors` do not fit each other."""
        mean = floats(vectors.mean)
        rows = np.concatenate([mean[None], vectors.directions.matrix(len(mean))])
        self.rows = rows.astype(np.float64)
        self.rest = vectors.rest
        if not (np.isfinite(rows).all() and 0 <= self.rest < np.inf):
            raise ValueError("a number is not finite")


def find(model: Path, reading: Reading) -> Background | None:
    """The background of the model at `model`, where its reference has one for this reading."""
    found = known.find(model)
    vectors = None if found is None else found.vectors
    if vectors is None or list(vectors.tensors) != reading.tensors:
        return None
    try:
        background = Background(vectors)
        if background.rows.shape[1] != reading.size:
            raise ValueError("its vectors have another size")
    except ValueError as error:
        log.warning("what model %s knows cannot be used for taught labels (%s): %s",
                    model, error, ADVICE)  # fmt: skip
        return None
    return background


def vectors_of(rows: Floats, tensors: tuple[int, ...], rank: int) -> Vectors:
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
