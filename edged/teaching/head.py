"""A linear classifier over vectors of a model, fitted on a few pictures in milliseconds.

**Classes.** Linear discriminant analysis with the shrinkage of Ledoit and Wolf ("Honey, I shrunk
the sample covariance matrix", 2004), the best of the heads that were compared on few pictures (see
docs/reports/teaching.md). There are fewer pictures than dimensions, so everything is computed from
the products of the pictures with each other, n by n, by the identity of Woodbury.

**Weights of features and maps.** Those of a few pairs whose log loss is least on pictures that were
left out in turn. So is the temperature that makes probabilities of the discriminants.

**Taught or not.** A picture is taught as far as it is close to the mean of a class, where the
directions in which pictures of one class differ most do not count: the squared distance in the
rest of the space, compared with that of taught pictures that were left out. It needs to know no
other pictures, and refuses also what neither the model nor its owner knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

WEIGHTS = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))
"""Of the features and of the maps; the first pair where there is nothing to choose by."""

FOLDS = 4
"""Parts of the pictures that are left out in turn."""

FREE = 16
"""Directions in which pictures of one class may differ."""

SHARPNESSES = np.logspace(-3, 1, 17)

SMALLEST_SHRINKAGE = 1e-3


class Head(NamedTuple):
    """What is made of a vector v.

    ``matrix``, shape (2 * classes + free directions, size), is the classes' discriminants, their
    means and the free directions. The discriminants have a ``bias`` and are multiplied by
    ``sharpness`` before they become probabilities. ``squares`` are the squared lengths of the
    means, ``length`` that of a vector, ``places`` the means along the free directions. ``usual``
    and ``spread`` are the mean and the deviation of the squared distances of taught pictures.
    """

    matrix: Floats
    bias: Floats
    sharpness: float
    squares: Floats
    length: float
    places: Floats
    usual: float
    spread: float

    def scores(self, vector: Floats, evidence: float = 0.0) -> tuple[Floats, float]:
        """The probability of each class, where it is one of them, and that it is.

        `evidence` is what else speaks for it: the logarithm of a ratio of likelihoods.
        """
        count = len(self.bias)
        product = self.matrix @ vector
        logits = product[:count] + self.bias
        logits -= logits.max()
        logits *= self.sharpness
        np.exp(logits, out=logits)
        logits /= logits.sum()
        beyond = self._beyond(product[count:])
        against = STEEPNESS * (beyond - LIMIT) - evidence
        return logits, 1 / (1 + math.exp(min(against, 50.0)))

    def distance(self, vector: Floats) -> float:
        """How far it is from the closest class: 0 as usual, else in deviations."""
        return self._beyond(self.matrix[len(self.bias) :] @ vector)

    def _beyond(self, product: Floats) -> float:
        count = len(self.bias)
        apart = self.places - product[count:]
        closest = float((self.squares - 2 * product[:count] - (apart * apart).sum(1)).min())
        return (self.length + closest - self.usual) / self.spread


LIMIT = 2.6
"""A picture this many deviations farther than usual is as likely taught as not."""

STEEPNESS = 2.0

LEAST_SPREAD = 0.1
"""Of the usual distance: a few pictures that vary less by chance do not narrow it further."""


def fit(vectors: Floats, classes: Integers, sizes: Sequence[int]) -> Head:
    """The head of these vectors, shape (pictures, sum of sizes), of the classes 0, 1, ...

    `sizes` are those of the blocks, features first. Each class has a picture at least.
    """
    dimensions = vectors.shape[1]
    blocks, scales = _scaled(vectors, sizes)
    whole, product, factors, ways, sharpness = _chosen(blocks, classes, dimensions)
    combination, bias = _discriminants(product, classes, dimensions)
    mean, free = _means(classes), _free(whole, classes)
    others = np.concatenate([mean, free])
    distances = _distances(whole, classes, ways)
    usual = float(distances.mean())
    matrix = [
        np.concatenate([combination * factors[place > 0], others]) @ block * scales[place]
        for place, block in enumerate(blocks)
    ]
    return Head(
        np.ascontiguousarray(np.concatenate(matrix, 1), np.float32),
        bias.astype(np.float32),
        sharpness,
        np.einsum("kn,nm,km->k", mean, whole, mean).astype(np.float32),
        # The same for all: blocks have the length 1, or 0 where nothing is active.
        float(np.diag(whole).max()),
        (mean @ whole @ free.T).astype(np.float32),
        usual,
        max(float(distances.std()), LEAST_SPREAD * usual, 1e-6),
    )


def left_out(vectors: Floats, classes: Integers, sizes: Sequence[int]) -> Integers:
    """The class that each picture gets from the others, when it is left out.

    Its own where that cannot be tried, because a class has one picture.
    """
    blocks, _ = _scaled(vectors, sizes)
    _, product, _, ways, _ = _chosen(blocks, classes, vectors.shape[1])
    if not ways:
        return classes
    return np.asarray(_logits(product, classes, ways, vectors.shape[1]).argmax(1))


def _scaled(vectors: Floats, sizes: Sequence[int]) -> tuple[list[Doubles], list[float]]:
    """The blocks, of which the features and all maps together vary as much, and their scales."""
    blocks = np.split(vectors.astype(np.float64), np.cumsum(sizes)[:-1], axis=1)
    scales = [1 / math.sqrt(max(_scatter(block @ block.T), 1e-9)) for block in blocks]
    scales[1:] = [scale / math.sqrt(len(blocks) - 1) for scale in scales[1:]]
    return [block * scale for block, scale in zip(blocks, scales, strict=True)], scales


class _Chosen(NamedTuple):
    """The products of the pictures in all, and those weighed best, with the weights."""

    whole: Doubles
    product: Doubles
    weights: tuple[float, float]
    ways: list[Flags]
    sharpness: float


def _chosen(blocks: Sequence[Doubles], classes: Integers, dimensions: int) -> _Chosen:
    features = blocks[0] @ blocks[0].T
    maps = sum((block @ block.T for block in blocks[1:]), np.zeros_like(features))
    ways = _folds(classes)
    found = []
    for weights in WEIGHTS if len(blocks) > 1 else [(1.0, 0.0)]:
        product = weights[0] * features + weights[1] * maps
        loss, sharpness = _loss(product, classes, ways, dimensions)
        found.append((loss, _Chosen(features + maps, product, weights, ways, sharpness)))
    return min(found, key=lambda one: one[0])[1]


def _scatter(product: Doubles) -> float:
    """The mean squared distance to the mean."""
    return float(np.diag(product).mean() - product.mean())


def _means(classes: Integers) -> Doubles:
    """The combination of pictures that is the mean of each class, shape (classes, pictures)."""
    chosen = np.equal.outer(np.arange(classes.max() + 1), classes).astype(np.float64)
    return np.asarray(chosen / chosen.sum(1, keepdims=True))


def _centred(classes: Integers) -> Doubles:
    """The combinations of pictures that are each picture less the mean of its class."""
    return np.eye(len(classes)) - _means(classes)[classes]


def _discriminants(product: Doubles, classes: Integers, dimensions: int) -> tuple[Doubles, Doubles]:
    """The combination of pictures and the bias that make each class's discriminant."""
    count = len(classes)
    mean = _means(classes)
    centred = _centred(classes)
    within = centred @ product @ centred.T
    trace = np.trace(within) / count
    average = trace / dimensions
    shrinkage = max(_shrinkage(within, trace, average, dimensions), SMALLEST_SHRINKAGE)
    combination = mean
    if shrinkage < 1 and average > 1e-12:
        ridge = count * shrinkage * average / (1 - shrinkage)
        solved = np.linalg.solve(within + ridge * np.eye(count), centred @ product @ mean.T)
        combination = mean - solved.T @ centred
    combination = combination / max(shrinkage * average, 1e-9)
    bias = -0.5 * np.einsum("kn,nm,km->k", combination, product, mean)
    return combination, bias


def _shrinkage(within: Doubles, trace: float, average: float, dimensions: int) -> float:
    """Ledoit and Wolf's intensity, 0..1, of the covariance whose products are `within`."""
    count = len(within)
    squared = float((within**2).sum()) / count**2
    noise = (float((np.diag(within) ** 2).sum()) / count - squared) / (dimensions * count)
    off = (squared - 2 * average * trace + dimensions * average**2) / dimensions
    return min(noise, off) / off if off > 0 else 1.0


def _folds(classes: Integers) -> list[Flags]:
    """Pictures to leave out in turn, so that each class keeps some; none where that cannot be."""
    counts = np.bincount(classes)
    if counts.min() < 2:
        return []
    order = np.argsort(classes, kind="stable")
    rank = np.empty(len(classes), np.int64)
    rank[order] = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    folds = min(FOLDS, int(counts.min()))
    return [rank % folds == fold for fold in range(folds)]


def _loss(
    product: Doubles, classes: Integers, ways: Sequence[Flags], dimensions: int
) -> tuple[float, float]:
    """The least mean log loss on pictures that were left out, and the sharpness that gives it."""
    if not ways or classes.max() == 0:
        return 0.0, 1.0
    found = _logits(product, classes, ways, dimensions)
    found -= found.max(1, keepdims=True)
    right = found[np.arange(len(classes)), classes]
    losses = [
        float((np.log(np.exp(found * one).sum(1)) - one * right).mean()) for one in SHARPNESSES
    ]
    best = int(np.argmin(losses))
    return losses[best], float(SHARPNESSES[best])


def _logits(product: Doubles, classes: Integers, ways: Sequence[Flags], dimensions: int) -> Doubles:
    """The discriminants of each picture, from the others; shape (pictures, classes)."""
    found = np.empty((len(classes), classes.max() + 1))
    for out in ways:
        combination, bias = _discriminants(product[np.ix_(~out, ~out)], classes[~out], dimensions)
        found[out] = product[np.ix_(out, ~out)] @ combination.T + bias
    return found


def _free(product: Doubles, classes: Integers) -> Doubles:
    """The combinations of pictures that are the free directions, shape (directions, pictures)."""
    centred = _centred(classes)
    values, vectors = np.linalg.eigh(centred @ product @ centred.T)
    kept = values[-FREE:] > 1e-6 * max(float(values[-1]), 1e-6)
    directions = vectors[:, -FREE:][:, kept] / np.sqrt(values[-FREE:][kept])
    return np.asarray(directions.T @ centred)


def _distances(product: Doubles, classes: Integers, ways: Sequence[Flags]) -> Doubles:
    """The squared distances of pictures that were left out to the closest mean."""
    if not ways:
        # With a picture of each class nothing is known but how far these are apart.
        return np.array([max(_scatter(product), 1e-9)]) / 2
    found = np.empty(len(classes))
    for out in ways:
        known = product[np.ix_(~out, ~out)]
        mean, free = _means(classes[~out]), _free(known, classes[~out])
        across = product[np.ix_(out, ~out)]
        squares = np.einsum("kn,nm,km->k", mean, known, mean)
        apart = (mean @ known @ free.T)[None] - (across @ free.T)[:, None]
        squared = squares - 2 * across @ mean.T - (apart**2).sum(2)
        found[out] = np.diag(product)[out] + squared.min(1)
    return found
