"""Scores are looked up, grouped by rule and filtered over time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core import Scores
from edged.perception.filter import Filter, Groups, look_up

score = st.floats(0, 1, width=32)
rate = st.sampled_from([0.1, 1.0, 5.0, math.inf])


def row(*values: float) -> Scores:
    return np.array(values, np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_each_byte_is_looked_up(dtype: type) -> None:
    table = np.arange(256, dtype=np.float32)
    levels = np.array([[0, 1, 127], [-128, -1, 5]], np.int8).view(dtype)

    assert look_up(table, levels).tolist() == [0, 1, 127, 128, 255, 5]


def test_a_rule_takes_the_greatest_of_its_classes_or_their_sum_up_to_one() -> None:
    groups = Groups([("max", (0, 2)), ("sum", (1, 2)), ("sum", (0, 1, 2)), ("max", (1,))])
    followed = Filter(3, math.inf, groups, np.full(4, math.inf))

    followed.step(row(0.5, 0.25, 0.5), None, np.zeros(4), np.ones(4, np.bool_))

    assert followed.score.tolist() == [0.5, 0.75, 1.0, 0.25]


def test_the_filters_go_the_share_that_the_time_gives_them() -> None:
    followed = Filter(2, 2.0, Groups([("max", (0,)), ("max", (1,))]), np.array([1.0, math.inf]))
    wish = np.zeros(2, np.bool_)

    assert followed.step(row(0, 1), None, np.full(2, 2.0), wish) == (1, False)
    followed.unset[:] = False
    first = followed.score
    best, turned = followed.step(row(1, 0), 0.5, np.array([0.39, 0.39]), wish)

    assert first.tolist() == [0.0, 1.0]
    assert followed.classes == pytest.approx([1 - math.exp(-1), math.exp(-1)])
    assert followed.score == pytest.approx([1 - math.exp(-0.5), 0.0])
    assert followed.raw.tolist() == [1.0, 0.0]
    assert (best, turned) == (0, True)


def test_no_time_moves_only_what_is_not_smoothed() -> None:
    followed = Filter(2, math.inf, Groups([("max", (0,)), ("max", (0,))]), np.array([1, math.inf]))
    limits, wish = np.full(2, 2.0), np.zeros(2, np.bool_)
    followed.step(row(0.5, 0), None, limits, wish)
    followed.unset[:] = False

    followed.step(row(1, 0), 0.0, limits, wish)

    assert followed.score.tolist() == [0.5, 1.0]
    assert followed.classes.tolist() == [1.0, 0.0]


def test_no_time_moves_no_class_that_is_smoothed() -> None:
    followed = Filter(2, 1.0, Groups([]), np.zeros(0))
    for scores, held_s in ((row(0.5, 0), None), (row(0, 1), 0.0)):
        followed.step(scores, held_s, np.zeros(0), np.zeros(0, np.bool_))
    assert followed.classes.tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    ("score", "wish", "turned"),
    [(0.5, False, True), (0.5, True, False), (0.25, True, True), (0.25, False, False)],
)
def test_a_score_at_its_threshold_has_reached_it(score: float, wish: bool, turned: bool) -> None:
    followed = Filter(1, math.inf, Groups([("max", (0,))]), np.full(1, math.inf))
    assert followed.step(row(score), None, np.full(1, 0.5), np.full(1, wish)) == (0, turned)


def test_without_rules_the_best_class_is_known() -> None:
    followed = Filter(3, math.inf, Groups([]), np.zeros(0))

    assert followed.step(row(0.1, 0.7, 0.7), None, np.zeros(0), np.zeros(0, np.bool_)) == (1, False)


@settings(max_examples=100)
@given(data=st.data(), classes=st.integers(1, 40), rules=st.integers(0, 6))
def test_frame_after_frame_every_score_follows_the_formula(
    data: st.DataObject, classes: int, rules: int
) -> None:
    places = st.lists(st.integers(0, classes - 1), min_size=1, max_size=12, unique=True)
    kinds = st.tuples(st.sampled_from(["max", "sum"]), places.map(tuple))
    members = data.draw(st.lists(kinds, min_size=rules, max_size=rules))
    rates = data.draw(st.lists(rate, min_size=rules, max_size=rules))
    class_rate = data.draw(rate)
    followed = Filter(classes, class_rate, Groups(members), np.array(rates, np.float64))
    threshold, wish = np.full(rules, 0.5), np.zeros(rules, np.bool_)
    filtered, of_rules = [0.0] * classes, [0.0] * rules

    for held_s in (None, 0.1, 0.0, 1.0):
        scores = data.draw(st.lists(score, min_size=classes, max_size=classes))
        best, turned = followed.step(row(*scores), held_s, threshold, wish)
        followed.unset[:] = False

        def towards(old: float, new: float, rate: float, held_s: float | None) -> float:
            if held_s is None or (held_s == 0.0 and math.isinf(rate)):
                return new
            return new + (old - new) * (math.exp(-held_s * rate) if held_s else 1.0)

        filtered = [
            towards(old, new, class_rate, held_s) for old, new in zip(filtered, scores, strict=True)
        ]
        raw = [
            max(scores[i] for i in group)
            if how == "max"
            else min(1.0, sum(scores[i] for i in group))
            for how, group in members
        ]
        of_rules = [
            towards(old, new, rate, held_s)
            for old, new, rate in zip(of_rules, raw, rates, strict=True)
        ]
        assert followed.classes == pytest.approx(filtered, abs=1e-6)
        assert followed.raw == pytest.approx(raw, abs=1e-6)
        assert followed.score == pytest.approx(of_rules, abs=1e-6)
        assert filtered[best] == pytest.approx(max(filtered), abs=1e-6)
        assert turned == bool((followed.score >= 0.5).any())
