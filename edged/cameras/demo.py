"""A camera for machines without one: it pans and zooms over real photographs."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from edged import install
from edged.cameras.orient import reduced_px
from edged.cameras.pace import Pace
from edged.cameras.source import Capture
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError, PictureError
from edged.imaging.picture import read_picture
from edged.imaging.resample import Box, resample

PHOTOGRAPHS = (
    "chelsea.png",
    "astronaut.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
)
"""Colour photographs in scikit-image's package; its other files show no such scenes."""

SHOWN_S = 10.0
"""How long the camera stays on one photograph: long enough to teach what it shows."""

CLOSEST = 0.6
"""The side of the smallest view, as a fraction of the largest."""


class DemoSource:
    """scikit-image's photographs at ``width_px`` x ``height_px`` and ``fps``.

    The view depends only on the time since the first frame, so two runs show the same.
    A frame is rendered when it is read, and only as large as the model needs it.
    """

    name = "demo"

    def __init__(self, camera: CameraConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        self._size_px = (camera.height_px, camera.width_px)
        self._pace = Pace(camera.fps, sleep=sleep)
        self._paths: list[Path] = []
        self._index = -1
        self._photograph: Pixels | None = None

    def __enter__(self) -> DemoSource:
        self._paths = photographs()
        return self

    def __exit__(self, *exception: object) -> None:
        self._photograph = None
        self._index = -1

    def grab(self) -> Capture:
        captured_s = self._pace.wait()
        shown, phase = divmod((captured_s - (self._pace.started_s or 0.0)) / SHOWN_S, 1.0)
        photograph = self._load(int(shown) % len(self._paths))
        box = view(photograph.shape[:2], self._size_px, int(shown), phase)
        render = partial(_render, photograph, box, self._size_px)
        return Capture(captured_s, render, reduces=True, live=False)

    def _load(self, index: int) -> Pixels:
        # One photograph at a time: together they take 8 MB.
        if self._photograph is None or index != self._index:
            try:
                self._photograph = read_picture(self._paths[index])
            except PictureError as error:
                raise CameraError(str(error)) from error
            self._index = index
        return self._photograph


def photographs() -> list[Path]:
    """The photographs that the installed scikit-image has; CameraError if there are none."""
    # Only its files are needed: importing it would take half a second and 40 MB.
    package = importlib.util.find_spec("skimage")
    folders = package.submodule_search_locations if package else None
    found = [
        path
        for name in PHOTOGRAPHS
        for folder in folders or ()
        if (path := Path(folder) / "data" / name).is_file()
    ]
    if not found:
        raise CameraError(
            "demo: the photographs are not installed; connect a camera, "
            f"or install them with: {install.command('scikit-image')}"
        )
    return found


def view(size_px: tuple[int, ...], frame_px: tuple[int, int], shown: int, phase: float) -> Box:
    """The part of a photograph that the camera sees at `phase` (0..1) of its stay there.

    `size_px` and `frame_px` are (height, width); the part has the frame's aspect and lies inside.
    (left, top, right, bottom) in the photograph's pixels. The view zooms in and out while it pans
    from one side to the other, without a jump at either end; every second stay (`shown` counts
    them) pans the other way.
    """
    height, width = size_px[0], size_px[1]
    largest = min(height / frame_px[0], width / frame_px[1])
    scale = largest * (1.0 - (1.0 - CLOSEST) * math.sin(math.pi * phase) ** 2)
    box_height, box_width = frame_px[0] * scale, frame_px[1] * scale
    way = 0.5 - 0.5 * math.cos(math.pi * phase)
    if shown % 2:
        way = 1.0 - way
    # Floating-point sums may begin and end slightly outside.
    left, top = max((width - box_width) * way, 0.0), max((height - box_height) * way, 0.0)
    return left, top, min(left + box_width, width), min(top + box_height, height)


def _render(
    photograph: Pixels, box: Box, size_px: tuple[int, int], least_px: tuple[int, int] | None
) -> Pixels:
    pixels = np.empty((*reduced_px(size_px, least_px), 3), np.uint8)
    resample(photograph, pixels, box)
    return pixels
