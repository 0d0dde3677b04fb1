"""Other scores for the unknown, from features and weights; all grow with how known it looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edged.evaluation.unknown import Seen
from edged.inference import layers as inner

Reals = npt.NDArray[np.float64]
Score = Callable[[Seen], Reals]

NEIGHBOURS = 10
VIM_DIMENSIONS = 64
_TYPES = {0: np.float32, 3: np.uint8, 9: np.int8}


class Baselines:
    """Those of one model, fitted on known pictures where they need it."""

    def __init__(self, data: bytes, known: Seen, size: int) -> None:
        """`data` is the model's content; the last `size` values of a `Seen` are the features."""
        found = inner.find(data)
        self._size = size
        self._scale, self._zero = _quantisation(data, found.features or 0)
        self._weights = _real(data, found.weights)
        self._bias = _real(data, found.bias).ravel() if found.bias >= 0 else np.zeros(1)
        features = self.features(known)
        self._mean = features.mean(0)
        within = features - self._means(features, known.best)[known.best]
        spread = within.T @ within / len(within)
        self._precision = np.linalg.pinv(spread + 1e-4 * np.trace(spread) / size * np.eye(size))
        self._class_means = self._means(features, known.best)
        # Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", 2022.
        self._origin = -np.linalg.pinv(self._weights) @ self._bias
        centred = features - self._origin
        _, axes = np.linalg.eigh(centred.T @ centred)
        self._rest = axes[:, : max(size - VIM_DIMENSIONS, size // 2)]
        residual = np.linalg.norm(centred @ self._rest, axis=1)
        self._alpha = self.logits(known).max(1).mean() / residual.mean()
        self._bank = _unit(features)

    def features(self, seen: Seen) -> Reals:
        """As real numbers, shape (pictures, features)."""
        raw = seen.values[:, -self._size :].astype(np.float64)
        return (raw - self._zero) * self._scale

    def logits(self, seen: Seen) -> Reals:
        """Shape (pictures, classes)."""
        return self.features(seen) @ self._weights.T + self._bias

    def energy(self, seen: Seen) -> Reals:
        """Liu et al., "Energy-based Out-of-distribution Detection", 2020."""
        return _log_sum(self.logits(seen))

    def mahalanobis(self, seen: Seen) -> Reals:
        """Lee et al., 2018, in the features."""
        features = self.features(seen)
        distance = [
            np.einsum("ni,ij,nj->n", features - mean, self._precision, features - mean)
            for mean in self._class_means
        ]
        return -np.min(distance, axis=0)

    def vim(self, seen: Seen) -> Reals:
        """Wang et al., 2022."""
        residual = np.linalg.norm((self.features(seen) - self._origin) @ self._rest, axis=1)
        return _log_sum(self.logits(seen)) - self._alpha * residual

    def neighbours(self, count: int) -> Score:
        """Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", 2022."""
        bank = self._bank[:: max(len(self._bank) // count, 1)][:count]

        def score(seen: Seen) -> Reals:
            cosines = _unit(self.features(seen)) @ bank.T
            return np.partition(cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]

        return score

    def _means(self, features: Reals, best: npt.NDArray[np.intp]) -> Reals:
        means = np.tile(self._mean, (len(self._weights), 1))
        for one in np.unique(best):
            means[one] = features[best == one].mean(0)
        return means


def _log_sum(logits: Reals) -> Reals:
    greatest = logits.max(1)
    return np.log(np.exp(logits - greatest[:, None]).sum(1)) + greatest


def _unit(features: Reals) -> Reals:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _real(data: bytes, tensor: int) -> Reals:
    stored = inner.constant(data, tensor)
    kind = np.int32 if stored.type == 2 else _TYPES[stored.type]
    raw = np.frombuffer(stored.content, np.dtype(kind)).reshape(stored.shape[0], -1)
    if not stored.scales:
        return raw.astype(np.float64)
    scales, zeros = np.array(stored.scales), np.array(stored.zero_points)
    return (raw - zeros[:, None]) * scales[:, None]


def _quantisation(data: bytes, tensor: int) -> tuple[float, float]:
    stored = inner.constant(data, tensor)
    return (stored.scales[0], stored.zero_points[0]) if stored.scales else (1.0, 0.0)
