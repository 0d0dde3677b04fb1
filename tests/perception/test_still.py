"""Which frames are classified, and which show nothing new."""

from __future__ import annotations

import numpy as np
import pytest

from edged.core import Frame, Pixels, Prediction
from edged.perception.still import MOST_CHANGE, SETTLE_S, StillScenes, change

HOLD_S = 2.0
LABELS = ("dark", "bright")


def noise(seed: int, deviation: float = 4.0) -> Pixels:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(100, deviation, (240, 320, 3)), 0, 255).astype(np.uint8)


def prediction(finite: bool = True) -> Prediction:
    return Prediction(np.array([0.9, 0.1], np.float32), LABELS, {}, "m", finite=finite)


class Watching:
    """Frames ten times a second, each classified where it must be."""

    def __init__(self, still: StillScenes | None = None) -> None:
        self.still = still or StillScenes(HOLD_S, (224, 224))
        self.number = 0
        self.finite = True

    def classifies(self, pixels: Pixels, at_s: float | None = None) -> bool:
        self.number += 1
        frame = Frame(pixels, self.number, self.number / 10 if at_s is None else at_s)
        if self.still.held(frame) is not None:
            return False
        self.still.keep(prediction(self.finite), frame)
        return True


@pytest.fixture
def settled() -> Watching:
    """Nothing has happened for a while."""
    watching = Watching()
    for seed in range(int(SETTLE_S * 10) + 1):
        watching.classifies(noise(seed))
    return watching


def test_noise_is_nothing_new(settled: Watching) -> None:
    assert not any(settled.classifies(noise(seed)) for seed in range(100, 110))


def test_what_is_held_is_the_prediction_of_the_last_classified_frame() -> None:
    still = StillScenes(HOLD_S, (224, 224))
    kept = prediction()
    still.held(Frame(noise(0), 1, 0.0))
    still.keep(kept, Frame(noise(0), 1, 0.0))
    assert still.held(Frame(noise(1), 2, 1.0)) is kept


@pytest.mark.parametrize("levels", [-25, 25])
@pytest.mark.parametrize("place", [(0, 0), (107, 144), (216, 288)], ids=str)
def test_a_thing_of_a_hundredth_of_the_frame_is_new(
    settled: Watching, place: tuple[int, int], levels: int
) -> None:
    top, left = place
    pixels = noise(50).astype(np.int16)
    pixels[top : top + 24, left : left + 32] += levels
    assert settled.classifies(pixels.astype(np.uint8))


def test_a_colour_of_the_same_brightness_is_new(settled: Watching) -> None:
    pixels = noise(50).astype(np.int16)
    pixels[100:124, 100:132] += [30, 0, -30]
    assert settled.classifies(pixels.astype(np.uint8))


def test_a_lamp_that_is_switched_on_is_new_though_it_is_everywhere(settled: Watching) -> None:
    assert settled.classifies(noise(50) + np.uint8(40))


def test_light_that_rises_slowly_is_new_as_soon_as_it_adds_up() -> None:
    watching = Watching(StillScenes(1000.0, (224, 224)))
    ramp = [noise(seed) + np.uint8(seed // 8) for seed in range(400)]
    classified = [step for step, pixels in enumerate(ramp) if watching.classifies(pixels)]
    apart = np.diff(classified[10:])
    assert (apart <= 8 * (MOST_CHANGE + 2)).all()


def test_after_a_change_every_frame_is_classified_until_the_picture_has_settled(
    settled: Watching,
) -> None:
    classified = [settled.classifies(noise(seed) + np.uint8(60)) for seed in range(20)]
    assert classified == [step <= SETTLE_S * 10 - 1 for step in range(20)]


def test_a_still_scene_is_classified_every_few_seconds_in_any_case(settled: Watching) -> None:
    classified = [settled.classifies(noise(seed)) for seed in range(100)]
    assert np.diff(np.flatnonzero(classified)).tolist() == [HOLD_S * 10] * 4


def test_the_same_changes_are_new_in_the_noise_of_a_poor_camera() -> None:
    watching = Watching()
    for seed in range(100):
        watching.classifies(noise(seed, 15.0))
    held = [not watching.classifies(noise(seed, 15.0)) for seed in range(100, 200)]
    assert sum(held) > 85
    pixels = noise(300, 15.0).astype(np.int16)
    pixels[100:124, 100:132] += 40
    assert watching.classifies(np.clip(pixels, 0, 255).astype(np.uint8))


def test_a_quiet_camera_shows_smaller_changes() -> None:
    watching = Watching()
    for seed in range(200):
        watching.classifies(noise(seed, 1.0))
    pixels = noise(300, 1.0).astype(np.int16)
    pixels[100:124, 100:132] += 10
    assert watching.classifies(pixels.astype(np.uint8))


def test_of_a_cropped_picture_only_the_middle_counts() -> None:
    watching = Watching(StillScenes(HOLD_S, (224, 224), "crop"))
    for seed in range(7):
        watching.classifies(noise(seed))
    beside, inside = noise(50), noise(51)
    beside[:, :30] = 255
    inside[:, 50:80] = 255
    assert [watching.classifies(beside), watching.classifies(inside)] == [False, True]


def test_scores_that_are_no_numbers_are_not_held() -> None:
    watching = Watching()
    watching.finite = False
    assert all(watching.classifies(noise(seed)) for seed in range(10))


def test_what_is_forgotten_is_not_held(settled: Watching) -> None:
    settled.still.forget()
    assert settled.classifies(noise(50))


def test_a_time_that_goes_back_is_new(settled: Watching) -> None:
    assert settled.classifies(noise(50), at_s=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (32, 32), (1080, 1920), (200, 5000)], ids=str)
def test_frames_of_any_size_are_compared(size: tuple[int, int]) -> None:
    still = StillScenes(HOLD_S, (224, 224))
    dark, bright = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 200, np.uint8)
    assert change(still.reduce(dark).copy(), still.reduce(bright)) == 200
