"""Converts uncompressed YUV of cameras, in its usual layouts, to RGB.

The encoding is ITU-R BT.601 with limited range (luma 16 to 235, chroma 16 to 240 around 128),
V4L2's default for sRGB and SMPTE 170M cameras (Linux kernel, "Detailed Colorspace Descriptions").
The chroma of a pair or a square of pixels applies to each of them without interpolation.

Each function takes the bytes of a frame, its size and the length of a line of the first plane, and
gives RGB of the same size, or of `size_px` (height, width), resized by the filter of `resample`.
That is faster than two steps: rows are added before the conversion to RGB, so a frame costs little
more than an RGB one. CameraError if part of the frame is missing.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edged.errors import CameraError
from edged.imaging.resample import COLUMN_BITS, MOST_REDUCTION, ROW_BITS, Axis, axis, resample
from edged.native import kernels

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from edged.core import Pixels

_Plane = npt.NDArray[np.uint8]
_Size = tuple[int, int]


def yuyv_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """Packed 4:2:2, bytes Y U Y V (V4L2 ``YUYV``)."""
    pairs = (width_px + 1) // 2
    [rows] = _planes("YUYV", data, width_px, (height_px, stride_bytes, 4 * pairs))
    y, u, v = rows[:, : 2 * width_px : 2], rows[:, 1 : 4 * pairs : 4], rows[:, 3 : 4 * pairs : 4]
    return _rgb("YUYV", data, (y, u, v), stride_bytes, size_px)


def nv12_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """4:2:0, a plane Y and a plane of pairs U V of the same stride."""
    pairs, chroma_rows = (width_px + 1) // 2, (height_px + 1) // 2
    y, uv = _planes(
        "NV12",
        data,
        width_px,
        (height_px, stride_bytes, width_px),
        (chroma_rows, stride_bytes, 2 * pairs),
    )
    y, u, v = y[:, :width_px], uv[:, : 2 * pairs : 2], uv[:, 1 : 2 * pairs : 2]
    return _rgb("NV12", data, (y, u, v), stride_bytes, size_px)


def i420_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """4:2:0 in planes Y, U, V (V4L2 ``YU12``, picamera2 ``YUV420``).

    U and V have half the stride.
    """
    pairs, chroma_rows = (width_px + 1) // 2, (height_px + 1) // 2
    chroma = (chroma_rows, stride_bytes // 2, pairs)
    y, u, v = _planes("YUV420", data, width_px, (height_px, stride_bytes, width_px), chroma, chroma)
    return _rgb("I420", data, (y[:, :width_px], u[:, :pairs], v[:, :pairs]), stride_bytes, size_px)


def _planes(
    layout: str, data: Buffer, width_px: int, *shapes: tuple[int, int, int]
) -> list[_Plane]:
    """Cut `data` into planes of (rows, stride, bytes used of a row)."""
    flat = np.frombuffer(memoryview(data), np.uint8)
    expected_bytes = sum(rows * stride for rows, stride, _ in shapes)
    if width_px < 1 or any(rows < 1 or stride < used for rows, stride, used in shapes):
        raise CameraError(
            f"{layout} frame: lines of {shapes[0][1]} bytes are too short for {width_px} pixels; "
            "choose another size or format"
        )
    if flat.size < expected_bytes:
        raise CameraError(
            f"{layout} frame: {flat.size} of {expected_bytes} bytes received; check the cable"
        )
    planes = []
    for rows, stride, _ in shapes:
        planes.append(flat[: rows * stride].reshape(rows, stride))
        flat = flat[rows * stride :]
    return planes


def _rgb(
    layout: str,
    data: Buffer,
    planes: tuple[_Plane, _Plane, _Plane],
    stride_bytes: int,
    size_px: _Size | None,
) -> Pixels:
    whole_px = planes[0].shape
    out = np.empty((*(size_px or whole_px), 3), np.uint8)
    if size_px is not None and (kernels is None or max(whole_px) > MOST_REDUCTION * min(size_px)):
        resample(_rgb(layout, data, planes, stride_bytes, None), out)
        return out
    if kernels is None:
        _rgb_numpy(*planes, out)
        return out
    plan = _plan(kernels, layout, whole_px, stride_bytes, out.shape[:2])
    if not kernels.resample(data, out, plan):
        raise ValueError(f"the plan of a {layout} frame does not fit it")
    return out


@lru_cache(maxsize=4)
def _plan(
    kernels: ModuleType, layout: str, whole_px: _Size, stride_bytes: int, size_px: _Size
) -> Any:
    (height, width), (out_height, out_width) = whole_px, size_px
    rows = axis(height, out_height, 0.0, height, ROW_BITS)
    return kernels.yuv_plan(
        layout,
        whole_px,
        stride_bytes,
        size_px,
        *axis(width, out_width, 0.0, width, COLUMN_BITS),
        *rows,
        *_chroma_rows(rows, (height + 1) // 2),
    )


def _chroma_rows(rows: Axis, chroma_height: int) -> Axis:
    """The rows of chroma, each of which serves two of luma."""
    taps = rows.weights.shape[1]
    pairs = min(taps // 2 + 1, chroma_height)
    starts = np.minimum(rows.starts // 2, chroma_height - pairs)
    places = (rows.starts[:, None] + np.arange(taps)) // 2 - starts[:, None]
    weights = np.zeros((len(starts), pairs), np.int16)
    np.add.at(weights, (np.arange(len(starts))[:, None], places), rows.weights)
    return Axis(starts.astype(np.int32), weights)


def _rgb_numpy(y: _Plane, u: _Plane, v: _Plane, out: Pixels) -> None:
    # BT.601-7, 2.5.3: 255 / 219 for luma, 255 / 224 * 2 * (1 - 0.299) and so on for chroma; here
    # in units of 1 / 8192, to which 4096 rounds.
    height, width = y.shape

    def spread(plane: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        tall = plane if len(plane) == height else np.repeat(plane, 2, axis=0)[:height]
        return np.repeat(tall, 2, axis=1)[:, :width]

    luma = (y.astype(np.int32) - 16) * 9539 + 4096
    blue = u.astype(np.int32) - 128
    red = v.astype(np.int32) - 128
    out[..., 0] = ((luma + spread(13075 * red)) >> 13).clip(0, 255)
    out[..., 1] = ((luma - spread(3209 * blue + 6660 * red)) >> 13).clip(0, 255)
    out[..., 2] = ((luma + spread(16525 * blue)) >> 13).clip(0, 255)
