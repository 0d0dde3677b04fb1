"""What is learned from pictures of a view."""

from __future__ import annotations

import numpy as np
import pytest

from edged.anomaly.detector import LIMIT, Detector
from edged.anomaly.fit import LEAST_FRAMES, fit, learn
from edged.core import Pixels
from edged.errors import ModelError
from tests.anomaly.views import SIDE, TENSOR, MapModel, normal, place, shot, shots, with_thing


def score(detector: Detector, pixels: Pixels) -> float:
    return float(detector.scores(detector.apart(MapModel().classify(pixels).layers[TENSOR])).max())


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(normal())


def test_frames_of_the_view_are_normal(detector: Detector) -> None:
    assert all(score(detector, shot(place(), seed)) < LIMIT for seed in range(100, 120))


@pytest.mark.parametrize("light", [0.75, 1.2, (1.1, 1.0, 0.9)])
def test_another_light_is_normal(detector: Detector, light: float | tuple[float, ...]) -> None:
    assert score(detector, shot(place(), 100, light)) < LIMIT


def test_a_shadow_with_a_straight_edge_is_normal(detector: Detector) -> None:
    x = np.linspace(-1, 1, 320, dtype=np.float32)[None, :, None]
    assert score(detector, shot(place(), 100, 1 - 0.35 / (1 + np.exp(-x * 40)))) < LIMIT


def test_a_thing_of_a_hundredth_of_the_picture_is_different_where_it_is(
    detector: Detector,
) -> None:
    layer = MapModel().classify(shot(with_thing(place()), 100)).layers[TENSOR]
    scores = detector.scores(detector.apart(layer))
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    assert scores.max() >= LIMIT
    assert abs((row + 0.5) / SIDE - 112 / 240) < 1 / SIDE
    assert abs((column + 0.5) / SIDE - 216 / 320) < 1 / SIDE


def test_the_same_pictures_teach_the_same() -> None:
    first, second = normal(), normal()
    assert (first.whitening, first.limits) == (second.whitening, second.limits)


def test_limits_are_those_of_frames_that_were_left_out() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e-3, (2, 3, 4, 5)).astype(np.float32)
    values[1] += 1
    # Each frame is one deviation from the mean of both, and two from the other.
    assert fit(values).limits.min() > 1.9


def test_of_a_cropped_picture_the_middle_is_learned() -> None:
    sides = [(place(seed, 240, 40), place(seed + 1, 240, 40)) for seed in (1, 3)]
    middle = place(0, 240, 240)
    first, second = (
        learn(
            shots(np.concatenate([left, middle, right], axis=1)), MapModel(), TENSOR, "", crop=True
        )
        for left, right in sides
    )
    detector = Detector(first)
    assert score(detector, shot(middle, 50)) < LIMIT
    assert np.corrcoef(*(list(one.view.grey) for one in (first, second)))[0, 1] > 0.99


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (shots(place(), LEAST_FRAMES - 1), "4 pictures are too few: give 5 or more"),
        ([*shots(place(), 9), place(0, 120, 160)], "different sizes"),
        ([np.full((240, 320, 3), 4, np.uint8)] * 9, "show nothing"),
        (
            [*shots(place(), 6), with_thing(place()), *shots(place(), 2)],
            "picture 7 of 9 differs from the others",
        ),
    ],
    ids=["few", "sizes", "dark", "moving"],
)
def test_pictures_that_do_not_show_what_is_normal_are_refused(
    frames: list[Pixels], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        learn(frames, MapModel(), TENSOR, "")
