"""Antialiased resizing: the picture at the size of the model's input.

The filter is that of Pillow's ``Image.resize(size, BILINEAR, box)`` (a triangle that widens with
the reduction; ``precompute_coeffs`` in Pillow's src/libImaging/Resample.c), so a model sees what
it saw in training, without moire. The compiled kernel differs from Pillow by one level at most:
it does not round between the two passes.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edged.core import Pixels
from edged.imaging.native import kernels

KERNEL: Literal["native", "pillow"] = "pillow" if kernels is None else "native"
"""What resizes: the compiled kernel, or Pillow where that is not there; see `native`."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the source, fractions allowed."""


def resample(pixels: Pixels, out: npt.NDArray[np.uint8], box: Box | None = None) -> None:
    """Resize `pixels`, or the part of it in `box`, into the whole of `out`.

    Both are uint8 of shape (height, width, 3) with any strides, so flips, turns by `numpy.rot90`
    and crops of either are not copied first. They must not overlap. As with Pillow the filter
    reaches beyond the box where the picture goes on there. ValueError for anything else.
    """
    for array in (pixels, out):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
            raise ValueError(f"not uint8 (height, width, 3): {array.dtype} {array.shape}")
    height, width, _ = pixels.shape
    if box is None:
        if pixels.shape == out.shape:
            out[...] = pixels
            return
        box = (0.0, 0.0, float(width), float(height))
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box {box} is empty or outside of {width}x{height}")
    if kernels is None:
        _resample_pillow(pixels, out, box)
    else:
        _resample_native(kernels, pixels, out, box)


def _resample_pillow(pixels: Pixels, out: npt.NDArray[np.uint8], box: Box) -> None:
    from PIL import Image

    size_px = (out.shape[1], out.shape[0])
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    out[...] = np.asarray(picture.resize(size_px, Image.Resampling.BILINEAR, box))


def _resample_native(
    kernels: ModuleType, pixels: Pixels, out: npt.NDArray[np.uint8], box: Box
) -> None:
    left, top, right, bottom = box
    height, width, _ = pixels.shape
    # The kernel walks the source's memory forwards and row by row. A transposed source is the
    # transposed problem, and a mirrored one has the outputs of its columns in reverse.
    if abs(pixels.strides[0]) < abs(pixels.strides[1]):
        pixels, out = pixels.transpose(1, 0, 2), out.transpose(1, 0, 2)
        left, top, right, bottom = top, left, bottom, right
        height, width = width, height
    mirrored = pixels.strides[1] < 0
    if mirrored:
        pixels = pixels[:, ::-1]
    if pixels.strides[2] < 0:
        pixels, out = pixels[..., ::-1], out[..., ::-1]
    if pixels.strides[2] != 1 or pixels.strides[1] not in (3, 4):
        pixels = pixels.copy()
    columns = _axis(width, out.shape[1], left, right, mirrored)
    rows = _axis(height, out.shape[0], top, bottom)
    kernels.resample(pixels, out, *columns, *rows)


class _Axis(NamedTuple):
    """For each output: the first input (int32) and the weights (float32, shape (outputs, taps))."""

    starts: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@lru_cache(maxsize=16)
def _axis(size_px: int, out_px: int, low: float, high: float, mirrored: bool = False) -> _Axis:
    scale = (high - low) / out_px
    reach = max(scale, 1.0)
    centres = low + (np.arange(out_px) + 0.5) * scale
    if mirrored:
        centres = size_px - centres
    starts = np.maximum((centres - reach + 0.5).astype(np.int32), 0)
    ends = np.minimum((centres + reach + 0.5).astype(np.int32), size_px)
    taps = int((ends - starts).max())
    # Every output has the same number of taps, so near the end the window starts earlier.
    starts = np.minimum(starts, size_px - taps)
    inputs = starts[:, None] + np.arange(taps)
    weights = np.maximum(1.0 - np.abs((inputs + 0.5 - centres[:, None]) / reach), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    used = max(int(np.flatnonzero(weights.any(axis=0))[-1]) + 1, 1)
    return _Axis(starts, np.ascontiguousarray(weights[:, :used], dtype=np.float32))
