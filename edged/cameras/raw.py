"""Converts uncompressed frames, as drivers deliver them, to RGB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edged.errors import CameraError
from edged.imaging.yuv import i420_to_rgb, nv12_to_rgb, yuyv_to_rgb

if TYPE_CHECKING:
    from edged.core import Pixels

Size = tuple[int, int]
"""Height and width in pixels."""


class Layout(NamedTuple):
    """How the bytes of an uncompressed frame become pixels.

    ``pixel_bytes`` is the bytes per pixel in a line of the first plane, ``planes`` the size of all
    planes relative to the first. ``convert`` takes (data, width_px, height_px, stride_bytes,
    size_px) as `to_rgb` does, and if it ``reduces``, it converts to the given size.
    """

    pixel_bytes: int
    planes: float
    convert: Callable[[bytes, int, int, int, Size | None], Pixels]
    reduces: bool


def rgb(
    data: bytes, width_px: int, height_px: int, stride_bytes: int, size_px: Size | None = None
) -> Pixels:
    """A view of lines of R, G, B bytes, at full size."""
    del size_px
    shape, strides = (height_px, width_px, 3), (stride_bytes, 3, 1)
    return np.ndarray(shape, np.uint8, data, strides=strides)


def bgr(
    data: bytes, width_px: int, height_px: int, stride_bytes: int, size_px: Size | None = None
) -> Pixels:
    """A view of lines of B, G, R bytes, at full size."""
    del size_px
    return rgb(data, width_px, height_px, stride_bytes)[..., ::-1]


def grey(
    data: bytes, width_px: int, height_px: int, stride_bytes: int, size_px: Size | None = None
) -> Pixels:
    """Lines of one byte per pixel as RGB, at full size; contiguous."""
    del size_px
    luma = np.ndarray((height_px, width_px, 1), np.uint8, data, strides=(stride_bytes, 1, 1))
    return luma.repeat(3, axis=2)


FORMATS = {
    "YUYV": Layout(2, 1.0, yuyv_to_rgb, True),
    "NV12": Layout(1, 1.5, nv12_to_rgb, True),
    "YU12": Layout(1, 1.5, i420_to_rgb, True),
    "RGB3": Layout(3, 1.0, rgb, False),
    "BGR3": Layout(3, 1.0, bgr, False),
    "GREY": Layout(1, 1.0, grey, False),
}
"""The supported uncompressed formats, by their FourCC, best first."""


def to_rgb(
    fourcc: str,
    data: bytes,
    width_px: int,
    height_px: int,
    stride_bytes: int,
    size_px: Size | None = None,
) -> Pixels:
    """The pixels of a frame in one of `FORMATS`; CameraError if part of the data is missing.

    `stride_bytes` is the length of a line of the first plane; 0 if the driver does not report it.
    With `size_px`, YUV is resized to it, which is faster than converting first. RGB keeps its size:
    resizing it later costs the same.
    """
    layout = FORMATS[fourcc]
    stride_bytes = max(stride_bytes, width_px * layout.pixel_bytes)
    if len(data) < stride_bytes * height_px * layout.planes:
        raise CameraError(f"part of the {fourcc} frame is missing")
    return layout.convert(data, width_px, height_px, stride_bytes, size_px)
