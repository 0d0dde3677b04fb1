"""A view, a model that is its own map, and what is taught of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edged.anomaly.fit import learn
from edged.anomaly.normal import Normal
from edged.core import Layer, Pixels, Prediction
from edged.imaging.resample import resample

SIDE = 14
TENSOR = 7
LABELS = ("cat", "dog")


class MapModel:
    """Its map has the mean colours of 14x14 parts of the picture and products of them."""

    name = "map"
    labels = LABELS
    input_px = (112, 112)
    keeps_state = False
    closed = False

    def __enter__(self) -> MapModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.closed = True

    def classify(self, pixels: Pixels) -> Prediction:
        parts = np.empty((SIDE, SIDE, 3), np.uint8)
        resample(pixels, parts)
        means = parts.astype(np.float32)
        values = np.concatenate([means, np.sqrt(means), means[..., ::-1] - means], axis=2)
        scores = np.array([0.7, 0.3], np.float32)
        layer = Layer(values, 0.0, 0)
        return Prediction(scores, LABELS, {"invoke": 0.001}, "map", layers={TENSOR: layer})


def place(seed: int = 0, height: int = 240, width: int = 320) -> Pixels:
    """Something to look at: coloured patches of several sizes."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for parts in (5, 11, 23):
        patches = rng.uniform(0, 85, (parts, parts, 3))
        rows = np.arange(height) * parts // height
        columns = np.arange(width) * parts // width
        picture += patches[rows][:, columns]
    return picture.astype(np.uint8)


def shot(picture: Pixels, seed: int, light: Any = 1.0) -> Pixels:
    """A frame of a place, with noise."""
    rng = np.random.default_rng(seed)
    seen = picture * np.asarray(light, np.float32) + rng.normal(0, 3, picture.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def shots(picture: Pixels, count: int = 10) -> list[Pixels]:
    """Frames of a place."""
    return [shot(picture, seed) for seed in range(count)]


def with_thing(picture: Pixels, top: int = 100, left: int = 200) -> Pixels:
    """Something of a hundredth of the picture is there."""
    changed = picture.copy()
    changed[top : top + 24, left : left + 32] = (250, 20, 250)
    return changed


def normal(picture: Pixels | None = None, sha256: str = "a" * 64) -> Normal:
    """What is taught of a place."""
    frames = shots(place() if picture is None else picture)
    return learn(frames, MapModel(), TENSOR, sha256)
