"""Which photograph the demo's camera shows, told from a picture of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edged.cameras.demo import photographs, view
from edged.core import Pixels
from edged.imaging.picture import decode_picture, read_picture
from edged.imaging.resample import Box, resample

GRID_PX, FRAME_PX = 12, (480, 640)
PHASES = np.linspace(0.0, 1.0, 9)


def _grid(pixels: Pixels, box: Box | None = None) -> npt.NDArray[np.int64]:
    height, width, _ = pixels.shape
    grid = np.empty((GRID_PX, GRID_PX, 3), np.uint8)
    resample(pixels, grid, box or (0.0, 0.0, float(width), float(height)))
    return grid.astype(np.int64)


class Shown:
    """Compares a picture with all that the camera may see."""

    def __init__(self) -> None:
        self._views = []
        for path in photographs():
            photograph = read_picture(path)
            for way in (0, 1):
                for phase in PHASES:
                    box = view(photograph.shape[:2], FRAME_PX, way, float(phase))
                    self._views.append((path.stem, _grid(photograph, box)))

    def in_picture(self, jpeg: bytes) -> str:
        """The name of the photograph."""
        seen = _grid(decode_picture(jpeg, "the live picture"))
        return min(self._views, key=lambda one: float(np.abs(one[1] - seen).sum()))[0]

    def await_start(self, name: str, picture: Callable[[], bytes]) -> None:
        """Return when the camera begins to show a photograph."""
        before = name
        while (now := self.in_picture(picture())) != name or before == name:
            before = now
            time.sleep(0.1)
