"""Which pictures fit best."""

from __future__ import annotations

import numpy as np

from edged.core import Prediction
from edged.search import ranking
from edged.search.index import Known, said


def known(scores: list[float], features: list[float] | None = None) -> Known:
    vector = None if features is None else np.array(features, np.float32)
    return said(Prediction(np.array(scores, np.float32), "abc", {}, "m", vector), None)


def test_the_scores_of_all_classes_that_are_meant_count_together() -> None:
    pictures = [known([0.5, 0.3, 0.2]), known([0.0, 0.1, 0.9]), known([1.0, 0.0, 0.0])]
    scores, best = ranking.by_classes(pictures, {1, 2})
    assert np.allclose(scores, [0.5, 1.0, 0.0])
    assert best.tolist() == [1, 2, -1]


def test_scores_sum_up_to_one_at_most() -> None:
    scores, _ = ranking.by_classes([known([0.9, 0.9, 0.9])], {0, 1, 2})
    assert scores.tolist() == [1.0]


def test_no_pictures_have_no_scores() -> None:
    scores, best = ranking.by_classes([], {0})
    assert (len(scores), len(best)) == (0, 0)


def test_the_same_features_are_alike_and_others_less() -> None:
    wanted = known([1], [1, 4, 0])
    pictures = [known([1], [2, 8, 0]), known([1], [0, 0, 9]), known([1], [4, 1, 0])]
    likeness = ranking.by_likeness(pictures, wanted)
    assert np.allclose(likeness, [1, 0, 0.8], atol=0.01)


def test_what_has_no_features_or_other_ones_is_not_alike() -> None:
    wanted = known([1], [1, 4, 0])
    pictures = [known([1]), known([1], [1, 4]), known([1], [0, 0, 0]), wanted]
    assert np.allclose(ranking.by_likeness(pictures, wanted), [0, 0, 0, 1])


def test_many_pictures_are_compared_in_parts() -> None:
    count = ranking._AT_ONCE + 3
    likeness = ranking.by_likeness([known([1], [1, 0])] * count, known([1], [1, 0]))
    assert np.allclose(likeness, np.ones(count))


def test_the_best_come_first_and_equal_ones_stay() -> None:
    assert ranking.order(np.array([0.2, 0.9, 0.2, 1.0])) == [3, 1, 0, 2]
