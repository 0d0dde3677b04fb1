"""Detects results that suggest wrong preprocessing rather than a bad model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edged.evaluation.evaluation import Outcomes

PICTURES_MIN = 10
"""Fewer may be wrong, or the same, by chance."""

ONE_CLASS_SHARE = 0.95

_TRY = (
    "try `edged models calibrate`, which finds the normalisation, and compare the labels' order "
    "with `edged models info`"
)


def suspicions(outcomes: Outcomes) -> Iterator[str]:
    """A line for each suspicion, with what to try."""
    truth, predicted = outcomes.truth, outcomes.predicted
    classes = len(np.unique(truth))
    if len(truth) < PICTURES_MIN:
        return
    said, counts = np.unique(predicted, return_counts=True)
    most = int(counts.argmax())
    label = int(said[most])
    share = counts[most] / len(truth)
    if classes > 1 and share >= ONE_CLASS_SHARE and share > 2 * float((truth == label).mean()):
        yield (
            f"{counts[most]} of {len(truth)} pictures of {classes} classes were classified as "
            f"{outcomes.labels[label]}: {_TRY}"
        )
    elif not outcomes.correct.any():
        yield f"none of {len(truth)} pictures is right: {_TRY}"
    elif classes > 1 and (right := float(outcomes.correct.mean())) <= 1 / classes:
        yield f"top-1 of {right:.1%} is no better than guessing among {classes} classes: {_TRY}"
