"""Where a picture is different, as a colour over it."""

from __future__ import annotations

import numpy as np

from edged.core import Heat, Pixels

COOL = 0.25
"""A score up to which nothing is drawn."""

OPAQUE = 0.6
"""How much of the picture the hottest place covers."""

COLOUR = (255, 32, 0)


def with_heat(pixels: Pixels, heat: Heat) -> Pixels:
    """`pixels` with the places of `heat` in red; the same array where there are none."""
    if heat.scores.max() <= COOL:
        return pixels
    from PIL import Image

    height, width = pixels.shape[:2]
    left, top, right, bottom = heat.box
    rows = slice(round(top * height), max(round(bottom * height), round(top * height) + 1))
    columns = slice(round(left * width), max(round(right * width), round(left * width) + 1))
    drawn = np.array(pixels)
    part = drawn[rows, columns]
    cover = np.clip((heat.scores - COOL) / (1 - COOL), 0, 1) * OPAQUE
    large = Image.fromarray((cover * 255).astype(np.uint8)).resize(
        part.shape[1::-1], Image.Resampling.BILINEAR
    )
    share = np.asarray(large, np.float32)[..., None] / 255
    part[...] = part + (np.array(COLOUR, np.float32) - part) * share
    return drawn
