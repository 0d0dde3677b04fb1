"""The camera effects that the model is measured under, each at three strengths."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.recipe import camera
from models.recipe.pictures import SIDE_PX

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Corruption:
    """An effect: ``apply`` takes pixels ``[n, 3, 32, 32]`` and one of the ``strengths``."""

    name: str
    unit: str
    strengths: tuple[float, float, float]
    apply: Callable[[Pixels, float], Pixels]


def _effect(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Pixels, float], Pixels]:
    def apply(pixels: Pixels, strength: float) -> Pixels:
        pictures = torch.from_numpy(pixels).float() / 255
        changed = function(pictures, torch.full((len(pixels),), strength))
        rounded: Pixels = (changed * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        return rounded

    return apply


def _view(pictures: Tensor, **change: Tensor) -> Tensor:
    one = torch.ones(len(pictures))
    still = {
        "zoom": one,
        "stretch": one,
        "tilt_rad": 0 * one,
        "shift": torch.zeros(len(pictures), 2),
        "mirror": one,
    }
    return camera.view(pictures, size_px=SIDE_PX, **(still | change))


def _noise(pictures: Tensor, read: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return camera.sensor_noise(pictures, read**2 * 2, read, generator)


def _jpeg(pixels: Pixels, quality: float) -> Pixels:
    def through(picture: NDArray[Any]) -> NDArray[Any]:
        file = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG", quality=round(quality))
        return np.asarray(Image.open(file)).transpose(2, 0, 1)

    return np.stack([through(picture) for picture in pixels])


CORRUPTIONS = (
    Corruption("Subject farther", "times its size", (0.85, 0.7, 0.55),
               _effect(lambda x, s: _view(x, zoom=s))),
    Corruption("Subject nearer", "times its size", (1.2, 1.5, 1.8),
               _effect(lambda x, s: _view(x, zoom=s))),
    Corruption("Wide frame squeezed to a square", "width to height", (1.15, 4 / 3, 16 / 9),
               _effect(lambda x, s: _view(x, stretch=1 / s))),
    Corruption("Tilt", "degrees", (5, 10, 20),
               _effect(lambda x, s: _view(x, tilt_rad=s * math.pi / 180))),
    Corruption("Defocus", "px deviation", (0.5, 0.8, 1.2),
               _effect(lambda x, s: camera.blur(x, s, s, 0 * s))),
    Corruption("Motion blur", "px deviation", (0.8, 1.2, 2.0),
               _effect(lambda x, s: camera.blur(x, s, 0.35 + 0 * s, 0.5 + 0 * s))),
    Corruption("Under-exposure", "stops", (1, 2, 3), _effect(lambda x, s: camera.expose(x, -s))),
    Corruption("Over-exposure", "stops", (0.5, 1, 1.5), _effect(camera.expose)),
    Corruption("Low contrast", "times the contrast", (0.7, 0.5, 0.3), _effect(camera.contrast)),
    Corruption("Warm white balance", "gain of red", (1.1, 1.25, 1.5),
               _effect(lambda x, s: camera.warm(x, s - 1))),
    Corruption("Colour loss", "share", (0.3, 0.6, 1.0), _effect(camera.fade)),
    Corruption("Sensor noise", "read deviation", (0.02, 0.04, 0.08), _effect(_noise)),
    Corruption("JPEG again", "quality", (80, 40, 20), _jpeg),
)  # fmt: skip
