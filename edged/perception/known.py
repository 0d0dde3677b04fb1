"""How known a picture looks to a model: whether it shows anything that the model was made for.

The greatest score says which of its classes a picture shows, if it shows one. Of a picture of
something else it says little: scores sum to one whatever is there. Inner layers tell better, in one
of two ways.

**Means.** The cosine between a picture's position and the mean of each class, in the pooled values
of several layers, whitened by how pictures of one class differ (the covariance of Lee et al., "A
Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", 2018,
shrunk towards a sphere). The cosines of all classes are put together by a soft maximum.

**Head.** The correlation between the features and the weights of the best class, both less their
own mean. It needs no pictures, and does not change when all weights or features are scaled. A model
that has no such layer has its greatest score alone.

Each is then expressed as the share of known pictures, held out of the fit, that look less known.
"""

from __future__ import annotations

import logging
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from edged.core import Classifier, Layer, Pixels, Prediction
from edged.errors import ModelError
from edged.inference import channels
from edged.inference import layers as inner
from edged.inference.modelfile import content
from edged.perception.reference import (
    ADVICE,
    SHARES,
    Floats,
    Means,
    Reference,
    floats,
    places,
    read,
)

log = logging.getLogger(__name__)

SHARPNESS = 5.0
"""Of the soft maximum: with less all classes count, with more the nearest one alone."""

Likeness: TypeAlias = Callable[[Floats, int], float]
"""From the `pooled` values of some layers, one after another, and the best class to a number that
grows with how known the picture looks."""

_TINY = np.float32(1e-12)
_TYPES = {0: np.float32, 3: np.uint8, 9: np.int8}


def pooled(layer: Layer) -> Floats:
    """The mean over all positions of each channel, as raw values, shape (channels,)."""
    total = np.empty(layer.values.shape[-1], np.float32)
    total /= np.float32(channels.sums(layer.values, 0, total))
    return total


class ByMeans:
    """A `Likeness`: how near a picture is to the mean of one class or another, from -1 to 1."""

    def __init__(self, means: Means) -> None:
        """ValueError if the parts of `means` do not fit each other."""
        self._centre, self._scale = floats(means.centre), floats(means.scale)
        columns = len(self._centre)
        basis, classes = means.basis.matrix(columns), means.classes.matrix(columns)
        gain = floats(means.gain)
        if self._scale.shape != self._centre.shape or len(gain) != len(basis) or not len(classes):
            raise ValueError("its parts do not fit each other")
        if not math.isfinite(means.rest_gain):
            raise ValueError("a number is not finite")
        self._rank = len(basis)
        # What the rest would count is taken off where the basis counts.
        self._gain = gain - np.float32(means.rest_gain)
        self._rest_gain = np.float32(means.rest_gain)
        self._rows = np.concatenate([basis, classes])

    @property
    def size(self) -> int:
        """How many values the layers must have together."""
        return len(self._centre)

    def __call__(self, values: Floats, _best: int) -> float:
        position = (values - self._centre) * self._scale
        along = self._rows @ position
        inside, cosines = along[: self._rank], along[self._rank :]
        length2 = self._rest_gain * (position @ position) + self._gain @ (inside * inside)
        cosines = cosines / np.sqrt(np.maximum(length2, _TINY))
        return float(np.log(np.exp(SHARPNESS * cosines).mean()) / SHARPNESS)


class ByHead:
    """A `Likeness`: the correlation of the features with the best class's weights, -1 to 1."""

    def __init__(self, weights: npt.NDArray[np.generic]) -> None:
        """`weights` as stored, shape (classes, features): each row is compared by itself."""
        self._weights = weights

    def __call__(self, features: Floats, best: int) -> float:
        features = features - features.mean()
        weights = self._weights[best].astype(np.float32)
        weights -= weights.mean()
        lengths = np.sqrt((features @ features) * (weights @ weights))
        return float(features @ weights / np.maximum(lengths, _TINY))


def head(data: bytes) -> ByHead | None:
    """The likeness that the model with the content `data` brings itself; None where it has none.

    Its weights are not copied: they lie in `data`.
    """
    return _head(data, inner.find(data))


def _head(data: bytes, found: inner.Layers) -> ByHead | None:
    if found.features is None:
        return None
    stored = inner.constant(memoryview(data), found.weights)
    kind = _TYPES.get(stored.type)
    if kind is None or len(stored.shape) < 2 or stored.shape[0] < 2:
        # One row is one score, which has nothing to be compared with.
        return None
    values = np.frombuffer(stored.content, np.dtype(kind).newbyteorder("<"))
    if not values.size or values.size != np.prod(stored.shape):
        return None
    return ByHead(values.reshape(stored.shape[0], -1))


class Known:
    """What a `Reference` says of a prediction that has its ``layers``. One thread at a time.

    ``training`` is what the pictures are like that it was fitted on.
    """

    def __init__(self, reference: Reference, data: bytes) -> None:
        """`data` is the model's content. ValueError if the reference does not fit it."""
        self.layers = reference.layers
        self.training = reference.summary
        self.vectors = reference.vectors
        self._quantiles = list(reference.quantiles)
        self._likeness = _likeness(reference, data)

    def rest_on(self, data: bytes) -> None:
        """Keep no other content than `data`, which is the model's, with other outputs perhaps."""
        if isinstance(self._likeness, ByHead):
            self._likeness = head(data)

    def share(self, prediction: Prediction) -> float:
        """The share of known pictures that look less known than this one, 0..1."""
        if self._likeness is None:
            return share(self._quantiles, float(prediction.scores.max()))
        values = np.concatenate([pooled(prediction.layers[layer]) for layer in self.layers])
        likeness = self._likeness(values, int(prediction.scores.argmax()))
        return share(self._quantiles, likeness)


class KnowingClassifier:
    """A `Classifier` whose predictions say how known a picture looks. It owns the `classifier`."""

    def __init__(
        self,
        classifier: Classifier,
        known: Known,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The predictions of `classifier`, of the model's own labels, have ``known.layers``."""
        self._classifier = classifier
        self._known = known
        self._clock = clock
        self.name = classifier.name
        self.labels = classifier.labels
        self.input_px = classifier.input_px
        self.keeps_state = classifier.keeps_state

    def __enter__(self) -> KnowingClassifier:
        return self

    def __exit__(self, *exception: object) -> None:
        self._classifier.__exit__(*exception)

    def classify(self, pixels: Pixels) -> Prediction:
        """As the classifier, with one stage more."""
        prediction = self._classifier.classify(pixels)
        began_s = self._clock()
        known = self._known.share(prediction)
        stages_s = {**prediction.stages_s, "known": self._clock() - began_s}
        return replace(prediction, known=known, stages_s=stages_s)


def share(quantiles: Sequence[float], likeness: float) -> float:
    """Which of `SHARES` of known pictures lie below `likeness`, between them on a line."""
    # Also where it is not a number.
    if not likeness > quantiles[0]:
        return 0.0
    place = bisect_right(quantiles, likeness)
    if place == len(quantiles):
        return 1.0
    low, high = quantiles[place - 1], quantiles[place]
    way = (likeness - low) / (high - low)
    return SHARES[place - 1] + way * (SHARES[place] - SHARES[place - 1])


def _likeness(reference: Reference, data: bytes) -> Likeness | None:
    found = inner.find(data)
    channels = {one.tensor: one.shape[2] for one in found.maps}
    if found.features is not None:
        channels[found.features] = inner.constant(memoryview(data), found.weights).shape[-1]
    quantiles = reference.quantiles
    if len(quantiles) != len(SHARES) or any(not high >= low for low, high in pairwise(quantiles)):
        raise ValueError("its quantiles do not rise")
    if not reference.layers:
        return None
    if not set(reference.layers) <= set(channels):
        raise ValueError("it names layers that the model does not have")
    if reference.means is None:
        own = _head(data, found)
        if own is None or reference.layers != (found.features,):
            raise ValueError("the model has no head that it could use")
        return own
    likeness = ByMeans(reference.means)
    if likeness.size != sum(channels[layer] for layer in reference.layers):
        raise ValueError("its layers have other sizes")
    return likeness


def find(model: Path, data: bytes | None = None) -> Known | None:
    """What is known of the model at `model`; None where nothing is. ModelError if it is unreadable.

    `data` is its content, if that has been read. A file beside the model stands before the one that
    comes with edged. One that cannot be used is told in the log, and none is used then.
    """
    beside, shipped = places(model)
    if beside.exists():
        try:
            return _open(beside, content(model) if data is None else data)
        except ModelError as error:
            log.warning("%s; until then edged takes nothing for unknown by it", error)
    elif shipped.exists():
        # It says nothing of another model that has the same name.
        with suppress(ModelError):
            return _open(shipped, content(model) if data is None else data)
    return None


def _open(path: Path, data: bytes) -> Known:
    try:
        return Known(read(path, data), data)
    except ValueError as error:
        raise ModelError(f"{path} cannot be used ({error}): {ADVICE}") from error
