"""What nobody is to see: painted over before a frame leaves the camera.

The model, a snapshot, the live picture and what is published all come after.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edged.core import Pixels

Polygons = tuple[tuple[tuple[float, float], ...], ...]


def hidden(
    pixels: Pixels, polygons: Polygons, size_px: tuple[int, int], place_px: tuple[int, int]
) -> Pixels:
    """A copy of `pixels` that is black inside the polygons, and a pixel around them.

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
    # A pixel that was made smaller holds something of the one beside it.
    seen = np.asarray(picture.filter(ImageFilter.MinFilter(3)))
    return np.repeat(seen[:, :, None], 3, axis=2)
