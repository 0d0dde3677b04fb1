"""The nouns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edged.core import Prediction


def predicted(scores: list[float]) -> Prediction:
    return Prediction(
        np.array(scores, np.float32), [f"class {i}" for i in range(len(scores))], {}, "m"
    )


def test_top_ranks_best_first_with_label_index_and_score() -> None:
    best, second = predicted([0.1, 0.75, 0.5]).top(2)
    assert (best.label, best.index, best.score) == ("class 1", 1, 0.75)
    assert second.index == 2


def test_top_of_more_than_there_are_is_all_of_them() -> None:
    assert [ranked.index for ranked in predicted([0.1, 0.9]).top(5)] == [1, 0]


def test_top_of_none_is_empty() -> None:
    assert predicted([0.5]).top(0) == []


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30), st.integers(1, 30)
)
def test_top_is_a_stable_sort_whatever_ties_there_are(scores: list[float], count: int) -> None:
    wanted = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert [ranked.index for ranked in predicted(scores).top(count)] == wanted
