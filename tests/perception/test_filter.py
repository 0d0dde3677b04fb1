"""Scores are looked up, grouped and filtered alike by the compiled loops and by numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core import Scores
from edged.perception import filter as module
from edged.perception.filter import Filter, Groups, look_up

needs_compiled = pytest.mark.skipif(
    module.compiled is None, reason="the extension _scores is not built here"
)
with_and_without = pytest.mark.parametrize(
    "compiled", [pytest.param(True, marks=needs_compiled), False], ids=["compiled", "numpy"]
)

score = st.floats(0, 1, width=32)
rate = st.sampled_from([0.1, 1.0, 5.0, math.inf])


@pytest.fixture(autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("compiled") is False:
        monkeypatch.setattr(module, "compiled", None)


def row(*values: float) -> Scores:
    return np.array(values, np.float32)


@with_and_without
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_each_byte_is_looked_up(compiled: bool, dtype: type) -> None:
    table = np.arange(256, dtype=np.float32)
    levels = np.array([[0, 1, 127], [-128, -1, 5]], np.int8).view(dtype)

    assert look_up(table, levels).tolist() == [0, 1, 127, 128, 255, 5]


@with_and_without
def test_a_rule_takes_the_greatest_of_its_classes_or_their_sum_up_to_one(compiled: bool) -> None:
    groups = Groups([("max", (0, 2)), ("sum", (1, 2)), ("sum", (0, 1, 2)), ("max", (1,))])
    followed = Filter(3, math.inf, groups, np.full(4, math.inf))

    followed.step(row(0.5, 0.25, 0.5), None, np.zeros(4), np.ones(4, np.bool_))

    assert followed.score.tolist() == [0.5, 0.75, 1.0, 0.25]


@with_and_without
def test_the_filters_go_the_share_that_the_time_gives_them(compiled: bool) -> None:
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


@with_and_without
def test_no_time_moves_only_what_is_not_smoothed(compiled: bool) -> None:
    followed = Filter(2, math.inf, Groups([("max", (0,)), ("max", (0,))]), np.array([1, math.inf]))
    limits, wish = np.full(2, 2.0), np.zeros(2, np.bool_)
    followed.step(row(0.5, 0), None, limits, wish)
    followed.unset[:] = False

    followed.step(row(1, 0), 0.0, limits, wish)

    assert followed.score.tolist() == [0.5, 1.0]
    assert followed.classes.tolist() == [1.0, 0.0]


@with_and_without
def test_without_rules_the_best_class_is_known(compiled: bool) -> None:
    followed = Filter(3, math.inf, Groups([]), np.zeros(0))

    assert followed.step(row(0.1, 0.7, 0.7), None, np.zeros(0), np.zeros(0, np.bool_)) == (1, False)


@needs_compiled
@settings(max_examples=100, deadline=None)
@given(data=st.data(), classes=st.integers(1, 40), rules=st.integers(0, 6))
def test_compiled_and_numpy_give_the_same_frame_after_frame(
    data: st.DataObject, classes: int, rules: int
) -> None:
    places = st.lists(st.integers(0, classes - 1), min_size=1, max_size=12, unique=True)
    kinds = st.tuples(st.sampled_from(["max", "sum"]), places.map(tuple))
    groups = Groups(data.draw(st.lists(kinds, min_size=rules, max_size=rules)))
    rates = np.array(data.draw(st.lists(rate, min_size=rules, max_size=rules)), np.float64)
    class_rate = data.draw(rate)
    threshold, wish = np.full(rules, 0.5), np.zeros(rules, np.bool_)
    results = []
    frames = [
        (row(*data.draw(st.lists(score, min_size=classes, max_size=classes))), held_s)
        for held_s in [None, 0.1, 0.0, 1.0]
    ]
    for compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not compiled:
                patch.setattr(module, "compiled", None)
            followed = Filter(classes, class_rate, groups, rates)
            steps: list[Any] = []
            for scores, held_s in frames:
                best, _ = followed.step(scores, held_s, threshold, wish)
                followed.unset[:] = False
                steps.append((best, followed.classes.copy(), followed.score))
        results.append(steps)

    for (best, filtered, of_rules), (other, others, of_others) in zip(*results, strict=True):
        assert best == other
        assert (filtered == others).all()
        assert of_rules == pytest.approx(of_others, abs=1e-6)


@needs_compiled
def test_buffers_that_do_not_fit_are_refused() -> None:
    compiled = module.compiled
    assert compiled is not None
    table, three = np.zeros(256, np.float32), np.zeros(3, np.float32)
    for bad in (
        (table[:255], np.zeros(3, np.uint8), three),
        (table, np.zeros(4, np.uint8), three),
        (table, np.zeros(3, np.uint16), three),
        (table.astype(np.float64), np.zeros(3, np.uint8), three),
    ):
        with pytest.raises(ValueError, match=r"table|wrong size"):
            compiled.look_up(*bad)

    def follow(**changed: Any) -> None:
        arguments = {
            "scores": np.zeros(3, np.float32),
            "classes": np.zeros(3, np.float32),
            "members": np.array([0, 2], np.int32),
            "ends": np.array([1, 2], np.int32),
            "sums": np.zeros(2, np.bool_),
            "rates": np.ones(2),
            "unset": np.zeros(2, np.bool_),
            "threshold": np.ones(2),
            "wish": np.zeros(2, np.bool_),
            "before": np.zeros(2),
            "raw": np.zeros(2, np.float32),
            "score": np.zeros(2),
        }
        compiled.follow(0.5, 0.1, *{**arguments, **changed}.values())

    follow()
    for name, value in {
        "scores": np.zeros(2, np.float32),
        "members": np.array([0, 3], np.int32),
        "ends": np.array([2, 1], np.int32),
        "rates": np.ones(3),
        "score": np.zeros(1),
        "sums": np.zeros(2, np.int16),
    }.items():
        with pytest.raises(ValueError, match=r"do not fit|wrong size"):
            follow(**{name: value})
    with pytest.raises(ValueError, match="do not fit"):
        follow(members=np.array([-1, 0], np.int32))
    with pytest.raises(ValueError, match="do not fit"):
        follow(ends=np.array([1, 3], np.int32))
