"""The compiled loops over pixels, with sizes, strides, windows and weights of a fuzzer.

Each result is compared with the formula of `_resample.h` in numpy, and every way with the others.
A build with sanitizers tells what is read or written beside a picture.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edged.errors import CameraError
from edged.imaging import resample as module
from edged.imaging import yuv
from edged.imaging.reduction import COLUMN_BITS, ROW_BITS
from edged.native import kernels
from tests.fuzz.take import Take

MOST_PX = 48
CHUNK, SUM_BITS = 8, 7
LAYOUTS = {"YUYV": 2, "NV12": 1, "I420": 1}
"""Bytes of luma and its chroma for a pixel, in the rows that have luma."""

_Levels = npt.NDArray[np.uint8]


class Axis(NamedTuple):
    """For each output: the first input, and the weights (outputs, taps)."""

    starts: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int16]


def axis(take: Take, size_px: int, out_px: int, bits: int) -> Axis:
    """Windows anywhere in the picture, with any weights that add up to one."""
    taps = take.number(1, min(size_px, 20))
    starts = np.array([take.number(0, size_px - taps) for _ in range(out_px)], np.int32)
    unit = 1 << bits
    cuts = np.sort([[take.number(0, unit) for _ in range(taps - 1)] for _ in range(out_px)], axis=1)
    edges = np.zeros((out_px, taps + 1), np.int64)
    edges[:, 1:-1], edges[:, -1] = cuts.reshape(out_px, taps - 1), unit
    return Axis(starts, np.diff(edges, axis=1).astype(np.int16))


def by_formula(pixels: _Levels, columns: Axis, rows: Axis) -> _Levels:
    source = pixels.astype(np.int64)
    sums = np.zeros((len(rows.starts), *source.shape[1:]), np.int64)
    for y, begin in enumerate(rows.starts):
        weights = rows.weights[y].astype(np.int64)
        first = int(np.flatnonzero(weights)[0])
        start, weights = begin + first, weights[first:]
        window = source[start : start + len(weights)] * weights[:, None, None]
        for chunk in range(0, len(weights), CHUNK):
            sums[y] += window[chunk : chunk + CHUNK].sum(0) >> (ROW_BITS - SUM_BITS)
    out = np.zeros((len(rows.starts), len(columns.starts), 3), np.int64)
    for x, start in enumerate(columns.starts):
        weights = columns.weights[x].astype(np.int64)
        out[:, x] = (sums[:, start : start + len(weights)] * weights[:, None]).sum(1)
    shift = SUM_BITS + COLUMN_BITS
    return ((out + (1 << (shift - 1))) >> shift).astype(np.uint8)


def within(take: Take, height: int, width: int, *, written: bool) -> tuple[_Levels, _Levels]:
    """A picture as a view of memory that has not a byte more, and that memory."""
    step = take.number(3, 5 if written else 4)
    before = take.number(0, 4) if written else 0
    row = before + step * (width - 1) + 3 + take.number(0, 8)
    memory = take.noise(row * (height - 1) + before + step * (width - 1) + 3)
    view = np.lib.stride_tricks.as_strided(
        memory[before:], (height, width, 3), (row, step, 1), writeable=written
    )
    if written and take.number(0, 1):
        view = view[::-1, ::-1, ::-1]
    return view, memory


def windows(data: bytes) -> None:
    """The kernel itself, with windows that no filter has."""
    take = Take(data)
    height, width, out_height, out_width = (take.number(1, MOST_PX) for _ in range(4))
    pixels, _ = within(take, height, width, written=False)
    out, memory = within(take, out_height, out_width, written=True)
    columns = axis(take, width, out_width, COLUMN_BITS)
    rows = axis(take, height, out_height, ROW_BITS)
    wrong = take.number(0, 31)
    if wrong == 1:
        columns.starts[take.number(0, out_width - 1)] += take.number(0, 255) - 128
    elif wrong == 2:
        rows.weights[0, 0] ^= take.number(0, 32767)
    untouched = memory.copy()
    out[...] = 0
    blank = memory.copy()
    for vectors in (True, False):
        memory[...] = untouched
        kernels.use_vectors(vectors)
        try:
            plan = kernels.plan(
                pixels.shape, pixels.strides, out.shape, out.strides, *columns, *rows
            )
        except ValueError:
            assert wrong in (1, 2)
            return
        finally:
            kernels.use_vectors(True)
        assert kernels.resample(pixels, out, plan)
        expected = by_formula(pixels, columns, rows)
        assert (out == expected).all(), (vectors, np.argwhere(out != expected)[:3])
        out[...] = 0
        assert (memory == blank).all(), "something beside the picture was written"


def resize(data: bytes) -> None:
    """The filter, on views and boxes: Pillow's to one level."""
    take = Take(data)
    height, width, out_height, out_width = (take.number(1, MOST_PX) for _ in range(4))
    pixels, _ = within(take, height, width, written=False)
    out, _ = within(take, out_height, out_width, written=True)
    turn = take.number(0, 7)
    pixels = pixels.transpose(1, 0, 2) if turn & 1 else pixels
    pixels = pixels[::-1] if turn & 2 else pixels
    pixels = pixels[:, ::-1, ::-1] if turn & 4 else pixels
    height, width, _ = pixels.shape
    box = None
    if take.number(0, 1):
        left, top = take.share() * (width - 1), take.share() * (height - 1)
        right = left + 0.01 + take.share() * (width - left - 0.01)
        bottom = top + 0.01 + take.share() * (height - top - 0.01)
        box = (left, top, min(right, float(width)), min(bottom, float(height)))
    expected = np.empty(out.shape, np.uint8)
    module.resample(pixels, out, box)
    if box is None and pixels.shape == out.shape:
        expected[...] = pixels
    else:
        whole = (0.0, 0.0, float(width), float(height))
        module._resample_pillow(pixels, expected, box or whole)
    worst = int(np.abs(out.astype(int) - expected).max())
    assert worst <= 1, (worst, box)


def frames(data: bytes) -> None:
    """Frames of Y, U and V: by every way the same, and by the formula where the size stays."""
    take = Take(data)
    layout = str(take.one_of(*LAYOUTS))
    height, width, out_height, out_width = (take.number(1, MOST_PX) for _ in range(4))
    width += width % 2 if layout == "YUYV" else 0
    stride = LAYOUTS[layout] * (width + width % 2) + 2 * take.number(0, 8)
    if take.number(0, 1):
        out_height, out_width = height, width
    chroma = 0 if layout == "YUYV" else stride * ((height + 1) // 2)
    frame = take.noise(stride * height + chroma).tobytes()
    short = take.number(0, 31) == 1
    convert: Any = {"YUYV": yuv.yuyv_to_rgb, "NV12": yuv.nv12_to_rgb, "I420": yuv.i420_to_rgb}
    made = []
    for vectors in (True, False):
        kernels.use_vectors(vectors)
        yuv._plan.cache_clear()
        try:
            size_px = (out_height, out_width)
            given = frame[: -take.number(1, len(frame))] if short else frame
            made.append(convert[layout](given, width, height, stride, size_px))
        except CameraError:
            if not short:
                raise
            return
        finally:
            kernels.use_vectors(True)
    assert (made[0] == made[1]).all(), "vectors make other levels"
    if (out_height, out_width) == (height, width):
        saved = yuv.kernels
        yuv.kernels = None
        try:
            expected = convert[layout](frame, width, height, stride, None)
        finally:
            yuv.kernels = saved
        assert np.abs(made[0].astype(int) - expected).max() <= 1
