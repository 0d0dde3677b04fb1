"""How unsure a model is, and of what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edged.core import VIEW_LABELS, Prediction
from edged.review.doubt import Doubt, Doubts


def doubt(scores: list[float], labels: tuple[str, ...] | None = None, **said: Any) -> Doubt:
    names = labels or tuple(f"class {place}" for place in range(len(scores)))
    found = Doubts().of(Prediction(np.array(scores, np.float32), names, {}, "m", **said))
    return Doubt(round(found.degree, 3), found.because)


@pytest.mark.parametrize(
    ("scores", "degree"),
    [([0.9, 0.05, 0.05], 0.15), ([0.3, 0.4, 0.4], 1.0), ([1.0, 0.0], 0.0), ([0.9], 0.2), ([], 0.0)],
)
def test_the_nearer_two_labels_the_greater_the_doubt(scores: list[float], degree: float) -> None:
    assert doubt(scores) == (degree, "margin")


def test_what_looks_unknown_is_doubted_however_sure_the_scores_are() -> None:
    assert doubt([1.0, 0.0], known=0.02) == (0.8, "unknown")
    assert doubt([1.0, 0.0], known=0.5) == (0.0, "margin")


def test_what_is_half_taught_is_doubted() -> None:
    assert doubt([0.1, 0.05, 0.45], taught=0.45) == (0.9, "taught")
    assert doubt([0.0, 0.0, 1.0], taught=1.0).degree == 0.0


def test_labels_of_the_view_are_no_rivals() -> None:
    labels = ("cat", "dog", *VIEW_LABELS)
    assert doubt([0.9, 0.1, 0.9, 0.9, 0.0, 0.0], labels) == (0.2, "margin")
