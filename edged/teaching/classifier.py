"""A classifier with the labels that its owner taught behind those of its model."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from edged.core import Classifier, Pixels, Prediction, Scores
from edged.errors import ConfigError
from edged.teaching import head
from edged.teaching.background import Background
from edged.teaching.evidence import Evidence
from edged.teaching.lessons import Lessons


class TaughtClassifier:
    """The scores of ``bare`` times the probability that a picture shows nothing that was taught,
    and behind them those of the taught labels. All of them sum to what the model's sum to.

    One thread at a time.
    """

    def __init__(
        self,
        bare: Classifier,
        lessons: Lessons,
        background: Background | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`bare` was asked for the layers of `lessons`, which have an example at least.

        `background` is that of its model.

        ConfigError where a taught label is one of the model's.
        """
        taken = {label.strip().casefold() for label in bare.labels}
        for label in lessons.labels:
            if label.casefold() in taken:
                raise ConfigError(
                    f"{label} was taught, and is a label of model {bare.name}, too: "
                    f"`edged teach --forget {label}`, and teach it under another name"
                )
        self.bare = bare
        self.name = bare.name
        self.labels = [*bare.labels, *lessons.labels]
        self.input_px = bare.input_px
        self.keeps_state = bare.keeps_state
        self._reading = lessons.reading
        self._head = head.fit(lessons.material(), background)
        self._evidence = Evidence(lessons.known())
        self._clock = clock

    def __enter__(self) -> TaughtClassifier:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bare.__exit__(*exception)

    def classify(self, pixels: Pixels) -> Prediction:
        """As the model's, with a stage ``taught`` behind."""
        prediction = self.bare.classify(pixels)
        began_s = self._clock()
        evidence = self._evidence.of(prediction.known)
        classes, taught = self._head.scores(self._reading.vector(prediction.layers), evidence)
        scores = joined(prediction.scores, classes, taught)
        stages_s = {**prediction.stages_s, "taught": self._clock() - began_s}
        # Whether the model knows a picture does not matter if its owner's label fits better.
        known = 1.0 if taught > 0.5 else prediction.known
        return replace(
            prediction,
            scores=scores,
            labels=self.labels,
            known=known,
            taught=taught,
            stages_s=stages_s,
        )


def joined(scores: Scores, classes: Scores, taught: float) -> Scores:
    """The scores of a model, and behind them those of taught labels, which share `taught`."""
    both = np.empty(len(scores) + len(classes), np.float32)
    np.multiply(scores, 1 - taught, out=both[: len(scores)])
    np.multiply(classes, taught, out=both[len(scores) :])
    return both
