"""How many things of a size a model finds, tried out in the view that was learned."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from edged.anomaly.fit import learn
from edged.anomaly.trial import SIZES, TRIES, VISIBLE, found
from edged.core import Layer, Pixels, Prediction
from edged.imaging.resample import resample
from tests.anomaly.views import TENSOR, MapModel, place, shot


class BlurredModel(MapModel):
    """It sees every picture as so many coarse parts."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def classify(self, pixels: Pixels) -> Prediction:
        seen = np.empty((self.parts, self.parts, 3), np.uint8)
        resample(pixels, seen)
        return super().classify(np.kron(seen, np.ones((14, 14, 1), np.uint8)))


FRAMES = [shot(place(), seed) for seed in range(8)]


def told(model: MapModel, frames: list[Pixels] = FRAMES) -> dict[float, int]:
    return found(learn(frames, model, TENSOR, ""), frames, model)


def test_a_model_that_sees_less_finds_fewer_small_things() -> None:
    sharp, coarse = told(MapModel()), told(BlurredModel(3))
    assert list(sharp) == list(SIZES)
    assert sum(sharp.values()) > sum(coarse.values()) + TRIES // 2
    assert sharp[0.05] >= 0.9 * TRIES


def test_where_nothing_is_ever_different_nothing_is_found() -> None:
    class Blind(MapModel):
        def classify(self, pixels: Pixels) -> Prediction:
            rng = np.random.default_rng(int(pixels.sum()) % 1000)
            layer = Layer(rng.normal(0, 1, (14, 14, 9)).astype(np.float32), 0.0, 0)
            return replace(super().classify(pixels), layers={TENSOR: layer})

    assert sum(told(Blind()).values()) <= 0.1 * TRIES * len(SIZES)


def test_the_frames_that_were_learned_stay_as_they_are() -> None:
    before = [frame.copy() for frame in FRAMES]
    told(MapModel())
    assert all(np.array_equal(*pair) for pair in zip(before, FRAMES, strict=True))


@pytest.mark.parametrize("contrast", [0.0, 1.0])
def test_each_piece_covers_its_share_and_is_visible(contrast: float) -> None:
    """In a view of one colour, where none of its pieces would be seen, too."""
    view = np.full((240, 320, 3), 90, np.uint8)
    view[:, 160:] = 104
    frame = place() if contrast else view
    seen: list[tuple[float, float]] = []

    class Watching(MapModel):
        def classify(self, pixels: Pixels) -> Prediction:
            difference = np.abs(pixels.astype(int) - frame).mean(2)
            seen.append((float((difference > 0).mean()), float(difference[difference > 0].mean())))
            return super().classify(pixels)

    found(learn([shot(view, seed) for seed in range(8)], MapModel(), TENSOR, ""),
          [frame], Watching())  # fmt: skip
    for share, (covered, visible) in zip(np.repeat(SIZES, TRIES), seen, strict=True):
        assert 0.7 * share <= covered <= 1.3 * share
        assert visible >= VISIBLE


def test_pieces_are_put_where_the_model_looks() -> None:
    """With ``crop`` a piece outside of the middle would never be found."""
    wide = [shot(place(0, 112, 600), seed) for seed in range(8)]

    class Middle(MapModel):
        def classify(self, pixels: Pixels) -> Prediction:
            return super().classify(pixels[:, 244:356] if pixels.shape[1] == 600 else pixels)

    normal = learn(wide, Middle(), TENSOR, "", crop=True)
    inside = found(normal, wide, Middle(), crop=True)[0.05]
    anywhere = found(normal, wide, Middle())[0.05]
    assert inside >= 0.8 * TRIES
    assert anywhere <= 0.6 * TRIES
