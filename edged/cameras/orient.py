"""Turns a camera's picture upright and crops the region of interest, without a copy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edged.imaging.reduction import REDUCING_GAP

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig
    from edged.core import Pixels


def orient(pixels: Pixels, camera: CameraConfig) -> Pixels:
    """A view of `pixels`: rotated clockwise by ``rotate_deg``, then flipped, then cropped.

    ``region`` is (x, y, width, height) in fractions of the upright picture, its edges rounded to
    pixels; at least one pixel remains. With ``privacy``, it is a copy that is black there.
    """
    # Only transposing and negative strides: a later copy of the pixels costs nothing extra.
    if camera.rotate_deg == 90:
        pixels = pixels.transpose(1, 0, 2)[:, ::-1]
    elif camera.rotate_deg == 180:
        pixels = pixels[::-1, ::-1]
    elif camera.rotate_deg == 270:
        pixels = pixels.transpose(1, 0, 2)[::-1]
    if camera.flip in ("horizontal", "both"):
        pixels = pixels[:, ::-1]
    if camera.flip in ("vertical", "both"):
        pixels = pixels[::-1]
    x, y, width, height = camera.region
    size_px = pixels.shape[0], pixels.shape[1]
    left, right = _edges_px(x, width, size_px[1])
    top, bottom = _edges_px(y, height, size_px[0])
    pixels = pixels[top:bottom, left:right]
    if not camera.privacy:
        return pixels
    # With numpy, which the process of a camera may do without.
    from edged.cameras.privacy import hidden

    return hidden(pixels, camera.privacy, size_px, (top, left))


def needed_px(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> tuple[int, int] | None:
    """The least (height, width) of a whole frame whose region still has `wanted_px`.

    `wanted_px` is (height, width) as the model takes it; both refer to the upright picture, the
    answer to the picture as the device delivers it. None, all pixels, stays None.
    """
    if wanted_px is None:
        return None
    _, _, width, height = camera.region
    upright = (_whole_px(wanted_px[0], height), _whole_px(wanted_px[1], width))
    return upright if camera.rotate_deg in (0, 180) else (upright[1], upright[0])


def exact_px(
    camera: CameraConfig, size_px: tuple[int, int], least_px: tuple[int, int] | None
) -> tuple[int, int] | None:
    """`least_px` if a frame of `size_px` (height, width) may be resized to exactly that; else None.

    It may if the model's input is the stretched whole frame: then this is the same resize, only
    earlier.
    """
    whole = camera.fit == "stretch" and camera.region == (0.0, 0.0, 1.0, 1.0)
    shrinks = least_px is not None and least_px[0] <= size_px[0] and least_px[1] <= size_px[1]
    return least_px if whole and shrinks else None


def reduced_px(size_px: tuple[int, int], least_px: tuple[int, int] | None) -> tuple[int, int]:
    """`size_px` (height, width) scaled down evenly to at least `REDUCING_GAP` times `least_px`."""
    if least_px is None:
        return size_px
    scale = min(1.0, REDUCING_GAP * max(least_px[0] / size_px[0], least_px[1] / size_px[1]))
    return math.ceil(size_px[0] * scale - 1e-6), math.ceil(size_px[1] * scale - 1e-6)


def _edges_px(start: float, length: float, size_px: int) -> tuple[int, int]:
    first = min(round(start * size_px), size_px - 1)
    return first, max(first + 1, min(round((start + length) * size_px), size_px))


def _whole_px(part_px: int, fraction: float) -> int:
    # One pixel more than the quotient, because both edges of the region are rounded.
    return part_px if fraction >= 1.0 else math.ceil((part_px + 1) / max(fraction, 1e-3))
