"""How different a picture is from what is normal, position by position."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edged.anomaly.normal import Learned, Normal
from edged.core import Layer

Floats = npt.NDArray[np.float32]

LIMIT = 0.5
"""The score at the distance from which a position counts as different."""


class Detector:
    """A `Normal` ready for use. One thread."""

    def __init__(self, normal: Normal) -> None:
        height, width, channels = normal.shape
        self.normal = normal
        self._whitening = np.frombuffer(normal.whitening, np.float32).reshape(channels, channels)
        # Its own copy, which may learn.
        self._means = np.frombuffer(normal.means, np.float32).reshape(-1, channels).copy()
        limits = np.frombuffer(normal.limits, np.float32).reshape(height, width)
        self._in_limits = 1.0 / np.square(limits)

    def apart(self, layer: Layer) -> Floats:
        """The whitened difference from the mean of each position, shape (positions, channels)."""
        return whitened(layer, self._whitening) - self._means

    def scores(self, apart: Floats) -> Floats:
        """The score of each position, shape (height, width), 0..1; `LIMIT` at its limit.

        r^4 / (1 + r^4) of the distance r in limits.
        """
        squares = np.einsum("pc,pc->p", apart, apart).reshape(self._in_limits.shape)
        fourth = np.square(squares * self._in_limits)
        scores: Floats = fourth / (1 + fourth)
        return scores

    def learn(self, apart: Floats, share: float) -> None:
        """Move the means by a `share` of the way to what is seen."""
        self._means += apart * np.float32(share)

    def learned(self) -> Learned:
        """What the means are now."""
        return Learned(self.normal.made, self._means.tobytes())

    def take_over(self, learned: Learned) -> None:
        """Go on from there, if it is of the same teaching."""
        if learned.made != self.normal.made or len(learned.means) != self._means.nbytes:
            return
        means = np.frombuffer(learned.means, np.float32).reshape(self._means.shape)
        if np.isfinite(means).all():
            self._means = means.copy()


def whitened(layer: Layer, whitening: Floats) -> Floats:
    """The values of a map in units of unit covariance, shape (positions, channels)."""
    values = layer.values.reshape(-1, layer.values.shape[-1]).astype(np.float32)
    if layer.scale:
        values -= np.float32(layer.zero_point)
        whitening = whitening * np.float32(layer.scale)
    return values @ whitening


def share_of(elapsed_s: float, learn_s: float) -> float:
    """How far a mean with the time constant `learn_s` goes in `elapsed_s`."""
    return -math.expm1(-elapsed_s / learn_s)
