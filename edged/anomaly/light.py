"""A picture in another light: what is normal, though nobody has shown it yet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edged.core import Pixels

Light = npt.NDArray[np.float32]
"""Factors, of a shape that broadcasts to (height, width, 3)."""

COPIES = 10
"""Of each picture."""

BRIGHTNESS = (0.6, 1.4)
SLOPE = 0.8
"""From one side of the picture to the other."""

COLOUR = (0.85, 1.15)
SHADE = (0.5, 0.8)
PENUMBRA = (0.005, 0.05)
"""Width of a shadow's edge, as a part of the picture's side."""


def copies(picture: Pixels, rng: np.random.Generator) -> Iterator[Pixels]:
    """`COPIES` of a picture of shape (height, width, 3), each in a light by chance."""
    height, width = picture.shape[:2]

    def slope() -> Light:
        along, _ = _direction(height, width, rng)
        factors: Light = 1 + rng.uniform(-SLOPE, SLOPE) * along
        return factors[..., None]

    def colour() -> Light:
        return rng.uniform(*COLOUR, 3).astype(np.float32)

    def shadow() -> Light:
        """Of a straight edge."""
        along, reach = _direction(height, width, rng)
        depth = (along - rng.uniform(-reach, reach)) / rng.uniform(*PENUMBRA)
        shade = 1 / (1 + np.exp(-np.clip(depth, -30, 30)))
        factors: Light = 1 - (1 - rng.uniform(*SHADE)) * shade
        return factors[..., None]

    for _ in range(2):
        yield lit(picture, np.float32(rng.uniform(*BRIGHTNESS)))
        for light in (slope, colour, shadow):
            yield lit(picture, light() * np.float32(rng.uniform(0.8, 1.2)))
        yield lit(picture, shadow() * shadow() * slope() * colour())


def lit(picture: Pixels, light: Light | np.float32) -> Pixels:
    """`picture` times `light`, rounded."""
    bright: Pixels = np.clip(picture * light + np.float32(0.5), 0, 255).astype(np.uint8)
    return bright


def _direction(height: int, width: int, rng: np.random.Generator) -> tuple[Light, float]:
    """How far each pixel is from the middle in a direction by chance, and the farthest."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    along: Light = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    return along, float(along.max())
