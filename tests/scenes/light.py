"""Light that a view is seen in: other than what edged makes for itself when it learns."""

from __future__ import annotations

import numpy as np

from tests.scenes.camera import HEIGHT_PX, WIDTH_PX, Floats

_Y, _X = np.mgrid[0 : 1 : HEIGHT_PX * 1j, 0 : 1 : WIDTH_PX * 1j].astype(np.float32)


def brightness(rng: np.random.Generator) -> Floats:
    """Up to 30 % more or less."""
    return np.float32(rng.uniform(0.7, 1.3)) * np.ones(1, np.float32)


def slope(rng: np.random.Generator) -> Floats:
    """Brighter on one side than on the other, by up to 40 % from the middle."""
    angle = rng.uniform(0, 2 * np.pi)
    along = (_X - 0.5) * np.cos(angle) + (_Y - 0.5) * np.sin(angle)
    return (1 + rng.uniform(-0.8, 0.8) * along).clip(0.5, 1.5)[..., None].astype(np.float32)


def colour(rng: np.random.Generator) -> Floats:
    """Each channel up to 15 % more or less."""
    return rng.uniform(0.85, 1.15, 3).astype(np.float32)


def shadow(rng: np.random.Generator) -> Floats:
    """Of round things, of bars or of something that stands, 20 to 50 % darker."""
    kind = rng.integers(3)
    depth: Floats
    if kind == 0:
        depth = np.full(_X.shape, -9.0, np.float32)
        for _ in range(rng.integers(1, 5)):
            wide, tall = rng.uniform(0.05, 0.3, 2)
            round_ = 1 - np.hypot((_X - rng.random()) / wide, (_Y - rng.random()) / tall)
            depth = np.maximum(depth, round_ * min(wide, tall))
    elif kind == 1:
        angle, bars = rng.uniform(0, np.pi), rng.uniform(1, 4)
        along = _X * np.cos(angle) + _Y * np.sin(angle)
        depth = 0.05 * np.sin(along * 2 * np.pi * bars + rng.uniform(0, 6))
    else:
        lean, half = rng.uniform(-0.5, 0.5), rng.uniform(0.05, 0.2)
        beside = np.abs(_X + lean * _Y - rng.random())
        depth = np.minimum(half - beside, _Y - rng.uniform(0, 0.6))
    shade = 1 / (1 + np.exp(-np.clip(depth / rng.uniform(0.004, 0.03), -30, 30)))
    return (1 - (1 - rng.uniform(0.5, 0.8)) * shade)[..., None].astype(np.float32)


LIGHTS = {
    "the same": lambda _: np.ones(1, np.float32),
    "±30 % brightness": brightness,
    "a slope": slope,
    "another colour": colour,
    "cast shadows": shadow,
}
