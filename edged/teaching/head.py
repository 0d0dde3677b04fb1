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
other pictures, and refuses also what neither the model nor its owner knows. Where the pictures are
known that the model was made for, what tells the taught ones from them counts, too: see
`background`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edged.teaching.background import Background, away

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

WEIGHTS = ((1.0, 1.0), (0.0, 1.0))
"""Of the features and of the maps; the first pair where there is nothing to choose by."""

FOLDS = 4
"""Parts of the pictures that are left out in turn."""

FREE = 16
"""Directions in which pictures of one class may differ."""

SHARPNESSES = np.logspace(-3, 1, 17)

SMALLEST_SHRINKAGE = 1e-3


class Material(NamedTuple):
    """What a head is fitted on: rows of ``vectors``, whose blocks have these ``sizes``.

    ``classes`` has one of 0, 1, ... for each picture, each of them once at least. ``pictures`` is
    the picture of each row: the first rows are all pictures in their order, the others further
    looks at some of them.
    """

    vectors: Floats
    classes: Integers
    pictures: Integers
    sizes: Sequence[int]


class Head(NamedTuple):
    """What is made of a vector v: ``matrix @ v + offset``.

    First come the logits of all ``classes``, then for each of them the squared distance to its
    mean without what lies along the free directions, but for what is the same for all of them,
    then the place along each free direction. ``length2`` is the squared length of a vector.
    ``usual`` and ``spread`` are the mean and the deviation of the squared distances of taught
    pictures; ``limit`` deviations farther, a picture is as likely taught as not. Other evidence of
    one counts for ``evidence`` deviations.
    """

    classes: int
    matrix: Floats
    offset: Floats
    length2: float
    usual: float
    spread: float
    limit: float
    evidence: float

    def scores(self, vector: Floats, evidence: float = 0.0) -> tuple[Floats, float]:
        """The probability of each class, where it is one of them, and that it is.

        `evidence` is what else speaks for it: the logarithm of a ratio of likelihoods.
        """
        product = self.matrix.dot(vector)
        product += self.offset
        scores = product[: self.classes]
        # By its place, since numpy takes longer to reduce so few.
        scores -= scores[scores.argmax()]
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores)
        against = STEEPNESS * (self._beyond(product) - self.limit - self.evidence * evidence)
        return scores, 1 / (1 + math.exp(min(against, 50.0)))

    def distance(self, vector: Floats) -> float:
        """How far it is from the closest class: 0 as usual, else in deviations."""
        return self._beyond(self.matrix @ vector + self.offset)

    def _beyond(self, product: Floats) -> float:
        free = product[2 * self.classes :]
        apart = product[self.classes : 2 * self.classes]
        closest = apart[apart.argmin()]
        return (self.length2 - float(free.dot(free)) + float(closest) - self.usual) / self.spread


LIMIT, EVIDENCE = 2.2, 0.5
"""Of a head where nothing is known of the background."""

NEAR, LEAST_LIMIT, MOST_LIMIT = 0.27, 1.5, 2.5
"""Else the limit is this part of how far the background's mean is, between these."""

LESS_EVIDENCE = 0.15
"""How known a picture looks to the model says little more then."""

STEEPNESS = 4.0

AWAY = 6.0
"""How much it counts that a picture lies away from the background, in deviations of both."""

LEAST_SPREAD = 0.1
"""Of the usual distance: a few pictures that vary less by chance do not narrow it further."""


def fit(material: Material, background: Background | None = None) -> Head:
    """The head of what was taught, told from the `background`, if that is known."""
    blocks, scales = _scaled(material)
    classes = material.classes[material.pictures]
    chosen = _chosen(blocks, material)
    combination, bias = _discriminants(chosen.product, classes, material.vectors.shape[1])
    combination *= chosen.sharpness
    rest = _Rest.of(chosen.whole, classes)
    others = np.concatenate([-2 * rest.mean, rest.free])
    matrix = [
        np.concatenate([combination * chosen.weights[place > 0], others]) @ block * scales[place]
        for place, block in enumerate(blocks)
    ]
    offset = [chosen.sharpness * bias, rest.length2, np.zeros(len(rest.free))]
    whole = np.concatenate(matrix, 1)
    distances = _distances(chosen.whole, classes, chosen.ways)
    floor = LEAST_SPREAD * float(distances[: len(material.classes)].mean())
    if background is not None and chosen.ways:
        direction, along = _away(blocks, scales, background, chosen.whole, chosen.ways)
        gain = AWAY * float(distances.std()) / max(float(along.std()), 1e-9)
        whole[len(bias) : 2 * len(bias)] -= gain * direction
        distances -= gain * along
    distances = distances[: len(material.classes)]
    usual = float(distances.mean())
    made = Head(
        len(bias),
        np.ascontiguousarray(whole, np.float32),
        np.concatenate(offset).astype(np.float32),
        # The same for all: blocks have the length 1, or 0 where nothing is active.
        float(np.diag(chosen.whole).max()),
        usual,
        max(float(distances.std()), floor, 1e-6),
        LIMIT,
        EVIDENCE,
    )
    if background is None:
        return made
    far = made.distance(background.rows[0].astype(np.float32))
    limit = min(max(NEAR * far, LEAST_LIMIT), MOST_LIMIT)
    return made._replace(limit=limit, evidence=LESS_EVIDENCE)


def _away(
    blocks: Sequence[Doubles],
    scales: Sequence[float],
    background: Background,
    whole: Doubles,
    ways: Sequence[Flags],
) -> tuple[Doubles, Doubles]:
    """The direction, of a vector, in which pictures lie away from the background.

    And how far each of them does, shape (pictures,), when it is left out.
    """
    count = len(whole)
    places = np.cumsum([block.shape[1] for block in blocks])[:-1]
    split = np.split(background.rows, places, axis=1)
    theirs = [scale * rows for scale, rows in zip(scales, split, strict=True)]
    product = np.zeros((count + len(background.rows),) * 2)
    product[:count, :count] = whole
    for rows, block in zip(theirs, blocks, strict=True):
        product[count:, :count] += rows @ block.T
        product[count:, count:] += rows @ rows.T
    product[:count, count:] = product[count:, :count].T
    along = np.empty(count)
    for out in ways:
        along[out] = product[:count][out] @ away(product, ~out, background.rest)
    combination = away(product, np.ones(count, np.bool_), background.rest)
    direction = [
        scale * (combination[:count] @ block + combination[count:] @ rows)
        for scale, block, rows in zip(scales, blocks, theirs, strict=True)
    ]
    return np.concatenate(direction), along


def left_out(material: Material) -> Integers:
    """The class that each picture gets from the others, when it is left out.

    Its own where that cannot be tried, because a class has one picture.
    """
    blocks, _ = _scaled(material)
    chosen = _chosen(blocks, material)
    if not chosen.ways:
        return material.classes
    classes = material.classes[material.pictures]
    logits = _logits(chosen.product, classes, chosen.ways, material.vectors.shape[1])
    return np.asarray(logits.argmax(1)[: len(material.classes)])


def _scaled(material: Material) -> tuple[list[Doubles], list[float]]:
    """The blocks, of which the features and all maps together vary as much, and their scales."""
    places = np.cumsum(material.sizes)[:-1]
    blocks = np.split(material.vectors.astype(np.float64), places, axis=1)
    scales = [1 / math.sqrt(max(float(block.var(0).sum()), 1e-9)) for block in blocks]
    scales[1:] = [scale / math.sqrt(len(blocks) - 1) for scale in scales[1:]]
    return [block * scale for block, scale in zip(blocks, scales, strict=True)], scales


class _Chosen(NamedTuple):
    """The products of the pictures in all, and those weighed best, with the weights."""

    whole: Doubles
    product: Doubles
    weights: tuple[float, float]
    ways: list[Flags]
    sharpness: float


def _chosen(blocks: Sequence[Doubles], material: Material) -> _Chosen:
    features = blocks[0] @ blocks[0].T
    maps = sum((block @ block.T for block in blocks[1:]), np.zeros_like(features))
    classes = material.classes[material.pictures]
    ways = [out[material.pictures] for out in _folds(material.classes)]
    found = []
    for weights in WEIGHTS if len(blocks) > 1 else [(1.0, 0.0)]:
        product = weights[0] * features + weights[1] * maps
        loss, sharpness = _loss(product, classes, ways, material.vectors.shape[1])
        found.append((loss, _Chosen(features + maps, product, weights, ways, sharpness)))
    return min(found, key=lambda one: one[0])[1]


def _means(classes: Integers) -> Doubles:
    """The combination of pictures that is the mean of each class, shape (classes, pictures)."""
    chosen = np.equal.outer(np.arange(classes.max() + 1), classes).astype(np.float64)
    return np.asarray(chosen / chosen.sum(1, keepdims=True))


class _Scatter(NamedTuple):
    """The pictures less the means of their classes: ``within``, their products with each other.

    ``toward`` are their products with the means, ``mean`` the combinations that these are, and
    ``length2`` their squared lengths.
    """

    mean: Doubles
    within: Doubles
    toward: Doubles
    length2: Doubles

    @classmethod
    def of(cls, product: Doubles, classes: Integers) -> _Scatter:
        mean = _means(classes)
        means = mean @ product
        centred = product - means[classes]
        toward = centred @ mean.T
        return cls(mean, centred - toward[:, classes], toward, (means * mean).sum(1))


def _centred(combination: Doubles, mean: Doubles, classes: Integers) -> Doubles:
    """A combination of pictures less the means of their classes, as one of pictures."""
    return np.asarray(combination - (combination @ mean.T)[:, classes])


def _discriminants(product: Doubles, classes: Integers, dimensions: int) -> tuple[Doubles, Doubles]:
    """The combination of pictures and the bias that make each class's discriminant."""
    count = len(classes)
    mean, within, toward, length2 = _Scatter.of(product, classes)
    trace = np.trace(within) / count
    average = trace / dimensions
    shrinkage = max(_shrinkage(within, trace, average, dimensions), SMALLEST_SHRINKAGE)
    combination, squares = mean, length2
    if shrinkage < 1 and average > 1e-12:
        ridge = count * shrinkage * average / (1 - shrinkage)
        solved = np.linalg.solve(within + ridge * np.eye(count), toward)
        combination = mean - _centred(solved.T, mean, classes)
        squares = length2 - (solved * toward).sum(0)
    scale = max(shrinkage * average, 1e-9)
    return combination / scale, -0.5 * squares / scale


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


class _Rest(NamedTuple):
    """The space without the free directions: combinations of pictures, a row each.

    ``free`` are these directions, at right angles to each other and of length 1; ``mean`` the
    means of the classes less what lies along them, ``length2`` their squared lengths.
    """

    free: Doubles
    mean: Doubles
    length2: Doubles

    @classmethod
    def of(cls, product: Doubles, classes: Integers) -> _Rest:
        mean, within, toward, length2 = _Scatter.of(product, classes)
        values, vectors = np.linalg.eigh(within)
        kept = values[-FREE:] > 1e-6 * max(float(values[-1]), 1e-6)
        directions = (vectors[:, -FREE:][:, kept] / np.sqrt(values[-FREE:][kept])).T
        along = directions @ toward
        free = _centred(directions, mean, classes)
        return cls(free, mean - along.T @ free, length2 - (along**2).sum(0))


def _distances(product: Doubles, classes: Integers, ways: Sequence[Flags]) -> Doubles:
    """The squared distances of pictures that were left out to the closest mean."""
    length2 = np.diag(product)
    if not ways:
        # With a picture of each class nothing is known but how far these are apart.
        return np.array([max(float(length2.mean() - product.mean()), 1e-9)]) / 2
    found = np.empty(len(classes))
    for out in ways:
        rest = _Rest.of(product[np.ix_(~out, ~out)], classes[~out])
        across = product[np.ix_(out, ~out)]
        along = ((across @ rest.free.T) ** 2).sum(1)
        found[out] = length2[out] - along + (rest.length2 - 2 * across @ rest.mean.T).min(1)
    return found
