"""How unsure a model is of a frame, and of what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edged.core import VIEW_LABELS
from edged.messages.review import Because
from edged.perception.labels import has_view_labels

if TYPE_CHECKING:
    from edged.core import Prediction

LEAST = 0.5
"""A frame of less doubt is not worth the time of a person."""

KNOWN = 0.1
"""Where more of the known pictures look less known than this one, it does not look unknown."""


class Doubt(NamedTuple):
    """From 0, sure, to 1, and the greatest reason."""

    degree: float
    because: Because


class Doubts:
    """The doubt of each prediction, in a few microseconds. One thread at a time."""

    def __init__(self) -> None:
        self._labels: Sequence[str] | None = None
        self._competing = 0

    def of(self, prediction: Prediction) -> Doubt:
        """The doubt of a prediction whose scores are finite."""
        if prediction.labels is not self._labels:
            self._labels = labels = prediction.labels
            views = len(VIEW_LABELS) if has_view_labels(labels) else 0
            self._competing = len(labels) - views
        found = Doubt(self._margin(prediction), "margin")
        if prediction.known is not None:
            found = max(found, Doubt(1 - prediction.known / KNOWN, "unknown"))
        if prediction.taught is not None:
            found = max(found, Doubt(1 - abs(2 * prediction.taught - 1), "taught"))
        return found

    def _margin(self, prediction: Prediction) -> float:
        scores = prediction.scores[: self._competing]
        if len(scores) < 2:
            # Of one class the opposite is the second.
            return 1.0 - abs(2.0 * float(scores[0]) - 1.0) if len(scores) else 0.0
        second, best = np.partition(scores, -2)[-2:]
        return 1.0 - float(best - second)
