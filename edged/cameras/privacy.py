"""Privacy masks, painted over before a frame leaves the camera.

The model, a snapshot, the live picture and what is published all come after.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edged.core import Pixels


Polygons = tuple[tuple[tuple[float, float], ...], ...]


def hidden(
    pixels: Pixels, polygons: Polygons, size_px: tuple[int, int], place_px: tuple[int, int]
) -> Pixels:
    """A copy of `pixels` that is black inside the polygons, and a pixel around them.

    Inside is what the line surrounds, also if it crosses itself or goes around twice.

    Their points are fractions of a whole picture of `size_px` (height, width), of which `pixels`
    is the part whose top left corner is at `place_px` (top, left). Two points are the corners of a
    rectangle.
    """
    top, left = place_px
    height, width, _ = pixels.shape
    return pixels & _seen(polygons, size_px)[top : top + height, left : left + width]


@lru_cache(maxsize=4)
def _seen(polygons: Polygons, size_px: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """255 where a pixel may be seen; shape (height, width, 3), so that one operation is enough."""
    from PIL import Image, ImageDraw, ImageFilter

    height, width = size_px
    picture = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(picture)
    for polygon in polygons:
        points = [(x * width, y * height) for x, y in polygon]
        if len(points) == 2:
            (left, right), (top, bottom) = (sorted(axis) for axis in zip(*points, strict=True))
            points = [(left, top), (right, top), (right, bottom), (left, bottom)]
        draw.polygon(points, fill=0, outline=0)
    seen = np.where(_wound(polygons, size_px), 0, np.asarray(picture)).astype(np.uint8)
    picture = Image.fromarray(seen)
    # A scaled pixel contains part of its neighbour.
    seen = np.asarray(picture.filter(ImageFilter.MinFilter(3)))
    return np.repeat(seen[:, :, None], 3, axis=2)


def _wound(polygons: Polygons, size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Where a polygon's winding number is not 0, as a browser's canvas fills it; (height, width).

    Pillow does not fill what is surrounded an even number of times.
    """
    height, width = size_px
    inside = np.zeros(size_px, np.bool_)
    rows_y = np.arange(height) + 0.5
    for polygon in polygons:
        turns = np.zeros((height, width + 1), np.int32)
        for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
            top, bottom = sorted((y0 * height, y1 * height))
            rows = np.flatnonzero((rows_y >= top) & (rows_y < bottom))
            if rows.size:
                across = (rows_y[rows] / height - y0) / (y1 - y0) * (x1 - x0) + x0
                columns = np.clip(np.ceil(across * width - 0.5), 0, width).astype(np.intp)
                turns[rows, columns] += 1 if y1 > y0 else -1
        inside |= turns.cumsum(axis=1)[:, :width] != 0
    return inside
