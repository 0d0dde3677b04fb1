"""The skew between training pictures and others."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edged.drift.look import statistics
from edged.drift.summary import EDGES, Summary, skew

RNG = np.random.default_rng(0)
REFERENCE = Summary.of({"brightness": RNG.normal(0.5, 0.1, 5000), "score": RNG.random(500)})


def test_pictures_like_those_of_training_have_no_skew() -> None:
    (row,) = skew(REFERENCE, {"brightness": RNG.normal(0.5, 0.1, 2000)})
    assert row.psi < 0.02
    assert row.outside == pytest.approx(0.02, abs=0.01)
    assert row.median == pytest.approx(row.median_there, abs=0.01)


def test_darker_pictures_have_a_large_one() -> None:
    (row,) = skew(REFERENCE, {"brightness": RNG.normal(0.25, 0.1, 500)})
    assert row.psi > 1
    assert row.outside > 0.4
    assert row.median_there < row.low + 0.1


def test_a_statistic_that_either_side_lacks_has_no_row() -> None:
    assert skew(REFERENCE, {"known": [0.5], "brightness": []}) == []
    assert [row.statistic for row in skew(REFERENCE, {"score": [0.5], "brightness": [0.5]})] == [
        "brightness",
        "score",
    ]


def test_a_score_that_is_mostly_one_value_is_no_skew_against_itself() -> None:
    values = np.concatenate([np.full(800, 1.0), RNG.random(200)])
    (row,) = skew(Summary.of({"score": values}), {"score": values})
    assert row.psi < 0.1


def test_a_value_is_outside_of_ninety_eight_per_cent_or_not() -> None:
    assert REFERENCE.outside("brightness", 0.5) is False
    assert REFERENCE.outside("brightness", 0.9) is True
    assert REFERENCE.outside("known", 0.9) is None


@pytest.mark.parametrize(
    "quantiles",
    [{"brightness": (0.5,)}, {"brightness": tuple(reversed(EDGES))}, {"mood": EDGES}],
    ids=["too few", "falling", "another name"],
)
def test_a_summary_that_is_none_is_refused(quantiles: dict[str, tuple[float, ...]]) -> None:
    written = msgspec.msgpack.encode({"pictures": 1, "quantiles": quantiles})
    with pytest.raises(msgspec.ValidationError, match="no quantiles of"):
        msgspec.msgpack.decode(written, type=Summary)


def test_statistics_are_those_of_the_picture_that_the_model_sees() -> None:
    grey = np.full((90, 120, 3), 128, np.uint8)
    plain = statistics(grey, (32, 32))
    assert plain["brightness"] == pytest.approx(128 / 255, abs=0.01)
    assert plain["contrast"] == plain["sharpness"] == pytest.approx(0, abs=0.01)
    assert (plain["red"], plain["blue"]) == pytest.approx((0, 0), abs=0.01)
    warm = statistics((grey * np.array([1.4, 1.0, 0.6])).astype(np.uint8), (32, 32))
    assert warm["red"] > 0.2
    assert warm["blue"] < -0.3
    striped = grey.copy()
    striped[:, ::8] = 0
    assert statistics(striped, (64, 64))["sharpness"] > 0.5
