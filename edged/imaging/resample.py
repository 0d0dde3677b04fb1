"""Antialiased resizing: the picture at the size of the model's input.

The filter is that of Pillow's ``Image.resize(size, BILINEAR, box)`` (a triangle that widens with
the reduction; ``precompute_coeffs`` in Pillow's src/libImaging/Resample.c), so a model sees what it
saw in training, without moiré. The compiled kernel agrees with Pillow to within one level: it
rounds once, Pillow twice.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edged.imaging.reduction import COLUMN_BITS, MOST_REDUCTION, ROW_BITS
from edged.native import kernels

if TYPE_CHECKING:
    from edged.core import Pixels

KERNEL: Literal["native", "pillow"] = "pillow" if kernels is None else "native"
"""The implementation: the compiled kernel, or Pillow without it; see `native`."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the source, fractions allowed."""


def resample(pixels: Pixels, out: npt.NDArray[np.uint8], box: Box | None = None) -> None:
    """Resize `pixels`, or the part of it in `box`, into the whole of `out`.

    Both are uint8 of shape (height, width, 3) with any strides, so flips, turns by `numpy.rot90`
    and crops of either are not copied first. They must not overlap. As in Pillow, the filter
    reaches beyond the box if the picture continues there. ValueError for anything else.
    """
    _resample(pixels, out, _plan_of(pixels, out, box))


class Resampler:
    """`resample` for pictures one after another: it keeps the plan of the last one.

    Not for several threads at once.
    """

    def __init__(self) -> None:
        self._kernel: Any = None

    def __call__(self, pixels: Pixels, out: npt.NDArray[np.uint8]) -> None:
        """As `resample` of the whole of `pixels`."""
        plan = self._kernel
        if plan is not None and kernels is not None and kernels.resample(pixels, out, plan):
            return
        found = _plan_of(pixels, out, None)
        self._kernel = None if found is None or not found.straight else found.kernel
        _resample(pixels, out, found)


def _plan_of(pixels: Pixels, out: npt.NDArray[np.uint8], box: Box | None) -> _Plan | None:
    return _plan(
        kernels, pixels.dtype, pixels.shape, pixels.strides, out.dtype, out.shape, out.strides, box
    )


def _resample(pixels: Pixels, out: npt.NDArray[np.uint8], plan: _Plan | None) -> None:
    if plan is None:
        out[...] = pixels
    elif kernels is None or plan.kernel is None:
        _resample_pillow(pixels, out, plan.box)
    else:
        _resample_native(kernels, pixels, out, plan)


def _resample_pillow(pixels: Pixels, out: npt.NDArray[np.uint8], box: Box) -> None:
    from PIL import Image

    size_px = (out.shape[1], out.shape[0])
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    out[...] = np.asarray(picture.resize(size_px, Image.Resampling.BILINEAR, box))


def _resample_native(
    kernels: ModuleType, pixels: Pixels, out: npt.NDArray[np.uint8], plan: _Plan
) -> None:
    if plan.turned:
        pixels, out = pixels.transpose(1, 0, 2), out.transpose(1, 0, 2)
    if plan.mirrored:
        pixels = pixels[:, ::-1]
    if plan.backwards:
        pixels, out = pixels[..., ::-1], out[..., ::-1]
    if plan.scattered:
        pixels = pixels.copy()
    if not kernels.resample(pixels, out, plan.kernel):
        raise ValueError(f"the plan of {pixels.shape} into {out.shape} does not fit them")


class _Plan(NamedTuple):
    """How a source of some shape and strides is passed to the kernel, and the kernel's plan.

    The kernel walks the source's memory forwards and row by row: a ``turned`` source is the
    transposed problem, a ``mirrored`` one is read from its end, a ``backwards`` one has reversed
    channels, and a ``scattered`` one must be copied. ``kernel`` is the kernel's own plan for the
    rest; None for Pillow.
    """

    box: Box
    turned: bool
    mirrored: bool
    backwards: bool
    scattered: bool
    kernel: Any

    @property
    def straight(self) -> bool:
        """Whether the kernel takes the pictures unchanged."""
        return not (self.turned or self.mirrored or self.backwards or self.scattered)


@lru_cache(maxsize=16)
def _plan(
    kernels: ModuleType | None,
    dtype: np.dtype[np.uint8],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    out_dtype: np.dtype[np.uint8],
    out_shape: tuple[int, ...],
    out_strides: tuple[int, ...],
    box: Box | None,
) -> _Plan | None:
    """None stands for a plain copy."""
    for kind, sizes in ((dtype, shape), (out_dtype, out_shape)):
        if kind != np.uint8 or len(sizes) != 3 or sizes[2] != 3 or 0 in sizes:
            raise ValueError(f"not uint8 (height, width, 3): {kind} {sizes}")
    height, width, _ = shape
    out_height, out_width, _ = out_shape
    if box is None:
        if shape == out_shape:
            return None
        box = (0.0, 0.0, float(width), float(height))
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box {box} is empty or outside {width}x{height}")
    reduction = max((right - left) / out_width, (bottom - top) / out_height)
    if kernels is None or reduction > MOST_REDUCTION:
        return _Plan(box, False, False, False, False, None)
    turned = abs(strides[0]) < abs(strides[1])
    if turned:
        left, top, right, bottom = top, left, bottom, right
        shape, strides = _turned(shape), _turned(strides)
        out_shape, out_strides = _turned(out_shape), _turned(out_strides)
    mirrored = strides[1] < 0
    backwards = strides[2] < 0
    scattered = abs(strides[2]) != 1 or abs(strides[1]) not in (3, 4)
    strides = (3 * shape[1], 3, 1) if scattered else (strides[0], abs(strides[1]), 1)
    if backwards:
        out_strides = (*out_strides[:2], -out_strides[2])
    kernel = kernels.plan(
        shape,
        strides,
        out_shape,
        out_strides,
        *kernels.axis(shape[1], out_shape[1], left, right, COLUMN_BITS, mirrored),
        *kernels.axis(shape[0], out_shape[0], top, bottom, ROW_BITS, False),
    )
    return _Plan(box, turned, mirrored, backwards, scattered, kernel)


def _turned(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return sizes[1], sizes[0], sizes[2]
