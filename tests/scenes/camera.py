"""What a camera and its light make of a scene, and things that are put into it."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from edged.core import Pixels
from tests.conftest import SHARED_DATA

HEIGHT_PX, WIDTH_PX = 480, 640

Floats = npt.NDArray[np.float32]


def pictures(data: Path = SHARED_DATA) -> list[Path]:
    """Photographs of very different things, one of each."""
    return sorted((data / "imagenet-sample" / "img").glob("*.jpg"))


@lru_cache(maxsize=64)
def scene(path: Path, size_px: tuple[int, int] = (HEIGHT_PX, WIDTH_PX)) -> Pixels:
    """A photograph as the place that a camera looks at."""
    with Image.open(path) as picture:
        resized = picture.convert("RGB").resize(size_px[::-1], Image.Resampling.BICUBIC)
    return np.asarray(resized)


@lru_cache(maxsize=1)
def _noise() -> Floats:
    """Sensor noise of deviation 1, larger than a frame: cut out elsewhere, it is another."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (HEIGHT_PX + 64, WIDTH_PX + 64, 3)).astype(np.float32)


def shot(
    place: Pixels,
    rng: np.random.Generator,
    *,
    noise: float = 4.0,
    light: float | Floats = 1.0,
    quality: int = 80,
) -> Pixels:
    """A frame of a `place`: `light` multiplies, noise in levels of 255, then JPEG."""
    height, width = place.shape[:2]
    top, left = rng.integers(0, 64, 2)
    seen = place * np.asarray(light, np.float32)
    seen += noise * _noise()[top : top + height, left : left + width]
    return jpeg(np.clip(seen + 0.5, 0, 255).astype(np.uint8), quality)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """What is left of a picture after JPEG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content).convert("RGB"))


def put(place: Pixels, thing: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """`place` with a piece of another picture, its `share` of the frame, in any form anywhere."""
    height, width = place.shape[:2]
    aspect = rng.uniform(0.5, 2.0)
    ellipse = bool(rng.integers(2))
    area = share * height * width * (4 / np.pi if ellipse else 1.0)
    tall = min(round(float(np.sqrt(area * aspect))), height - 1)
    wide = min(round(area / tall), width - 1)
    top, left = rng.integers(0, height - tall), rng.integers(0, width - wide)
    piece = _piece(thing, tall, wide, rng)
    y, x = np.mgrid[-1 : 1 : tall * 1j, -1 : 1 : wide * 1j]
    inside = (x * x + y * y <= 1)[..., None] if ellipse else np.ones((tall, wide, 1), np.bool_)
    changed = place.copy()
    target = changed[top : top + tall, left : left + wide]
    target[...] = np.where(inside, piece, target)
    return changed


def contrast(place: Pixels, changed: Pixels) -> float:
    """The mean difference in levels, where there is one."""
    difference = np.abs(place.astype(np.int16) - changed).mean(axis=2)
    return float(difference[difference > 0].mean()) if difference.any() else 0.0


def _piece(thing: Pixels, tall: int, wide: int, rng: np.random.Generator) -> Pixels:
    """A part of a picture, reduced two times where there is enough of it."""
    scale = min(2.0, thing.shape[0] / tall, thing.shape[1] / wide)
    cut_tall, cut_wide = int(tall * scale), int(wide * scale)
    top = rng.integers(0, thing.shape[0] - cut_tall + 1)
    left = rng.integers(0, thing.shape[1] - cut_wide + 1)
    cut = Image.fromarray(thing[top : top + cut_tall, left : left + cut_wide])
    return np.asarray(cut.resize((wide, tall), Image.Resampling.BILINEAR))
