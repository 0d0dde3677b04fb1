"""How many things of a size are found in a view, tried out on the frames that were learned.

A model with a small input cannot show what covers a few of its pixels. Pieces of the view, put
where it looks different, tell how much that matters here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edged.anomaly.detector import LIMIT, Detector
from edged.anomaly.fit import Model
from edged.anomaly.normal import Normal
from edged.core import Pixels
from edged.inference.tensors import centre

SIZES = (0.01, 0.02, 0.05)
"""Parts of what the model sees of a frame."""

TRIES = 20
"""Pieces of each size."""

VISIBLE = 20.0
"""Levels of 255 by which a piece differs in the mean from what it covers."""

_PLACES = 50
"""Tries to find such a piece in the view; then one is made lighter or darker."""


def found(
    normal: Normal, frames: Sequence[Pixels], model: Model, *, crop: bool = False
) -> dict[float, int]:
    """How many of `TRIES` pieces of each of `SIZES` are found.

    `normal` was learned from `frames` with `model`; see `fit.learn`.
    """
    detector = Detector(normal)
    rng = np.random.default_rng(0)

    def tried(frame: Pixels, share: float) -> bool:
        changed = frame.copy()
        _put(centre(changed, *model.input_px) if crop else changed, share, rng)
        layer = model.classify(changed).layers[normal.tensor]
        return bool(detector.scores(detector.apart(layer)).max() >= LIMIT)

    return {
        share: sum(tried(frames[n % len(frames)], share) for n in range(TRIES)) for share in SIZES
    }


def _put(seen: Pixels, share: float, rng: np.random.Generator) -> None:
    """Put a piece of `seen`, mirrored, at another place in it."""
    height, width = seen.shape[:2]
    tall = math.sqrt(share * rng.uniform(0.5, 2.0)) * height
    wide = share * height * width / tall
    size = min(max(1, round(tall)), height), min(max(1, round(wide)), width)
    for _ in range(_PLACES):
        covered, piece = _cut(seen, size, rng), _cut(seen, size, rng)[:, ::-1].copy()
        if np.abs(piece.astype(np.int16) - covered).mean() >= VISIBLE:
            break
    else:
        step = 2 * VISIBLE if covered.mean() < 128 else -2 * VISIBLE
        piece = np.clip(covered + step, 0, 255).astype(np.uint8)
    covered[...] = piece


def _cut(seen: Pixels, size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A view of a part of that size (height, width), anywhere."""
    top = rng.integers(0, seen.shape[0] - size[0] + 1)
    left = rng.integers(0, seen.shape[1] - size[1] + 1)
    return seen[top : top + size[0], left : left + size[1]]
