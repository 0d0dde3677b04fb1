"""Random camera effects for training, drawn for each picture of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from models.recipe import camera
from models.recipe.pictures import SIDE_PX

VIEW_SHARE = 0.5
BLUR_SHARE = 0.15
LIGHT_SHARE = 0.3
NOISE_SHARE = 0.15
HIDE_SHARE = 0.2
SHIFT_PX = 4
HIDDEN_PX = 8

Effect = Callable[[Tensor], Tensor]


class Augmentation:
    """Turns uint8 pictures ``[n, 3, 32, 32]`` into float32 ones in 0..1 as a camera may see them.

    Each effect meets its own share of the pictures, times ``effort``; the others stay as they are
    but for a mirror and a whole-pixel shift, so that clean pictures remain the most common case.
    """

    def __init__(self, generator: torch.Generator, effort: float) -> None:
        self.generator = generator
        self.effort = effort
        self.device = generator.device

    def __call__(self, pixels: Tensor, size_px: int) -> Tensor:
        """Return a random view of each picture, ``size_px`` square."""
        pictures = self._look(pixels.float() / 255, size_px)
        pictures = self._on_share(BLUR_SHARE, pictures, self._blur)
        pictures = self._on_share(LIGHT_SHARE, pictures, self._light)
        pictures = self._on_share(NOISE_SHARE, pictures, self._noise)
        return self._on_share(HIDE_SHARE, pictures, self._hide)

    def _look(self, pictures: Tensor, size_px: int) -> Tensor:
        count = len(pictures)
        moved = (self._uniform(count, 0, 1) < VIEW_SHARE * self.effort).float()
        whole_px = torch.round(self._uniform(2 * count, -SHIFT_PX, SHIFT_PX)).view(count, 2)
        return camera.view(
            pictures,
            size_px=size_px,
            zoom=torch.exp(moved * self._uniform(count, math.log(0.65), math.log(1.45))),
            stretch=torch.exp(moved * self._uniform(count, -0.35, 0.35)),
            tilt_rad=moved * self._uniform(count, -0.2, 0.2),
            shift=whole_px * 2 / SIDE_PX,
            mirror=torch.where(self._uniform(count, 0, 1) < 0.5, -1.0, 1.0),
        )

    def _blur(self, pictures: Tensor) -> Tensor:
        count = len(pictures)
        along_px = self._uniform(count, 0.4, 1.3)
        moving = self._uniform(count, 0, 1) < 0.4
        across_px = torch.where(moving, torch.full_like(along_px, 0.35), along_px)
        return camera.blur(pictures, along_px, across_px, self._uniform(count, 0, math.pi))

    def _light(self, pictures: Tensor) -> Tensor:
        count = len(pictures)
        pictures = camera.warm(pictures, self._uniform(count, -0.2, 0.25))
        pictures = camera.fade(pictures, self._uniform(count, -0.3, 0.7))
        pictures = camera.tone(pictures, torch.exp(self._uniform(count, -0.35, 0.35)))
        pictures = camera.contrast(pictures, self._uniform(count, 0.4, 1.2))
        return camera.expose(pictures, self._uniform(count, -2.0, 1.2))

    def _noise(self, pictures: Tensor) -> Tensor:
        count = len(pictures)
        shot, read = self._uniform(count, 0, 0.015), self._uniform(count, 0, 0.06)
        return camera.sensor_noise(pictures, shot, read, self.generator)

    def _hide(self, pictures: Tensor) -> Tensor:
        # DeVries and Taylor, "Improved regularization of convolutional neural networks with
        # cutout", 2017.
        count, _, height, width = pictures.shape
        left = self._uniform(count, 0, width - HIDDEN_PX + 1).floor()[:, None]
        top = self._uniform(count, 0, height - HIDDEN_PX + 1).floor()[:, None]
        x = torch.arange(width, device=self.device)[None, :]
        y = torch.arange(height, device=self.device)[None, :]
        columns = (x >= left) & (x < left + HIDDEN_PX)
        rows = (y >= top) & (y < top + HIDDEN_PX)
        hidden = rows[:, None, :, None] & columns[:, None, None, :]
        return pictures.masked_fill(hidden, 0.5)

    def _on_share(self, share: float, pictures: Tensor, effect: Effect) -> Tensor:
        chosen = torch.nonzero(self._uniform(len(pictures), 0, 1) < share * self.effort)[:, 0]
        if len(chosen) == 0:
            return pictures
        return pictures.index_copy(0, chosen, effect(pictures[chosen]))

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        drawn = torch.rand(count, generator=self.generator, device=self.device)
        return low + (high - low) * drawn
