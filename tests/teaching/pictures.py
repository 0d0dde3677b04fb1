"""Things to teach: pictures of patterns that differ in kind, place, size and colour."""

from __future__ import annotations

import numpy as np

from edged.core import Pixels
from edged.teaching.teacher import Picture

SIDE_PX = 64


def picture(kind: str, number: int) -> Pixels:
    """A disc, a cross or stripes on a noisy ground, uint8 (64, 64, 3); the same each time."""
    rng = np.random.default_rng([number, *kind.encode()])
    ground = rng.integers(30, 120)
    pixels = np.clip(rng.normal(ground, 12, (SIDE_PX, SIDE_PX, 3)), 0, 255)
    row, column = np.mgrid[:SIDE_PX, :SIDE_PX] - rng.integers(24, 40, (2, 1, 1))
    size = rng.integers(12, 20)
    shapes = {
        "disc": row**2 + column**2 < size**2,
        "cross": (abs(row) < 4) | (abs(column) < 4),
        "stripes": (row + column) % size < size // 2,
    }
    pixels[shapes[kind]] = rng.integers(150, 255, 3)
    return pixels.astype(np.uint8)


def pictures(kind: str, count: int, first: int = 0) -> list[Picture]:
    """So many pictures of a kind, none of them twice."""
    return [
        Picture(picture(kind, number), f"{kind}-{number}") for number in range(first, first + count)
    ]
