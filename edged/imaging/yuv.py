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

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from edged.errors import CameraError
from edged.imaging.reduction import COLUMN_BITS, MOST_REDUCTION, ROW_BITS
from edged.native import kernels

# The process of a camera has no numpy where the kernel does all.
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    from edged.core import Pixels

    _Plane = npt.NDArray[np.uint8]

_Size = tuple[int, int]
_Shape = tuple[int, int, int]
"""Rows, stride, and the bytes used of a row."""


def yuyv_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """Packed 4:2:2, bytes Y U Y V (V4L2 ``YUYV``)."""
    return _new("YUYV", data, width_px, height_px, stride_bytes, size_px)


def nv12_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """4:2:0, a plane Y and a plane of pairs U V of the same stride."""
    return _new("NV12", data, width_px, height_px, stride_bytes, size_px)


def i420_to_rgb(
    data: Buffer, width_px: int, height_px: int, stride_bytes: int, size_px: _Size | None = None
) -> Pixels:
    """4:2:0 in planes Y, U, V (V4L2 ``YU12``, picamera2 ``YUV420``).

    U and V have half the stride.
    """
    return _new("I420", data, width_px, height_px, stride_bytes, size_px)


def _new(
    layout: str,
    data: Buffer,
    width_px: int,
    height_px: int,
    stride_bytes: int,
    size_px: _Size | None,
) -> Pixels:
    import numpy as np

    form = _Form(layout, (height_px, width_px), stride_bytes)
    planes = form.planes(data)
    out = np.empty((*(size_px or form.whole_px), 3), np.uint8)
    _write(form, data, planes, out.data)
    return out


def convert(layout: str, data: Buffer, whole_px: _Size, stride_bytes: int, out: memoryview) -> None:
    """Into `out` of shape (height, width, 3), contiguous; `layout` is YUYV, NV12 or I420.

    `whole_px` is (height, width) of the frame.
    """
    form = _Form(layout, whole_px, stride_bytes)
    _write(form, data, form.planes(data), out)


class _Form(NamedTuple):
    layout: str
    whole_px: _Size
    stride_bytes: int

    def planes(self, data: Buffer) -> list[_Shape]:
        """One behind the other in `data`; CameraError if that does not have them."""
        (height, width), stride_bytes = self.whole_px, self.stride_bytes
        pairs, chroma_rows = (width + 1) // 2, (height + 1) // 2
        if self.layout == "YUYV":
            planes = [(height, stride_bytes, 4 * pairs)]
        elif self.layout == "NV12":
            planes = [(height, stride_bytes, width), (chroma_rows, stride_bytes, 2 * pairs)]
        else:
            chroma = chroma_rows, stride_bytes // 2, pairs
            planes = [(height, stride_bytes, width), chroma, chroma]
        if width < 1 or any(rows < 1 or stride < used for rows, stride, used in planes):
            raise CameraError(
                f"{self.layout} frame: lines of {stride_bytes} bytes are too short for {width} "
                "pixels; choose another size or format"
            )
        expected_bytes = sum(rows * stride for rows, stride, _ in planes)
        found_bytes = memoryview(data).nbytes
        if found_bytes < expected_bytes:
            raise CameraError(
                f"{self.layout} frame: {found_bytes} of {expected_bytes} bytes received; "
                "check the cable"
            )
        return planes


def _write(form: _Form, data: Buffer, planes: Sequence[_Shape], out: memoryview) -> None:
    height, width, _ = out.shape or (0, 0, 0)
    out_px = height, width
    shrinks = out_px != form.whole_px
    if kernels is None or (shrinks and max(form.whole_px) > MOST_REDUCTION * min(out_px)):
        _write_with_numpy(form, data, planes, out)
    elif not kernels.resample(data, out, _plan(kernels, *form, out_px)):
        raise ValueError(f"the plan of a {form.layout} frame does not fit it")


@lru_cache(maxsize=4)
def _plan(
    kernels: ModuleType, layout: str, whole_px: _Size, stride_bytes: int, size_px: _Size
) -> Any:
    (height, width), (out_height, out_width) = whole_px, size_px
    rows = kernels.axis(height, out_height, 0.0, height, ROW_BITS, False)
    return kernels.yuv_plan(
        layout,
        whole_px,
        stride_bytes,
        size_px,
        *kernels.axis(width, out_width, 0.0, width, COLUMN_BITS, False),
        *rows,
        *kernels.chroma_rows(*rows, (height + 1) // 2),
    )


def _write_with_numpy(form: _Form, data: Buffer, shapes: Sequence[_Shape], out: memoryview) -> None:
    import numpy as np

    from edged.imaging.resample import resample

    flat = np.frombuffer(memoryview(data), np.uint8)
    planes = []
    for rows, stride, used in shapes:
        planes.append(flat[: rows * stride].reshape(rows, stride)[:, :used])
        flat = flat[rows * stride :]
    if form.layout == "YUYV":
        [packed] = planes
        planes = [packed[:, : 2 * form.whole_px[1] : 2], packed[:, 1::4], packed[:, 3::4]]
    elif form.layout == "NV12":
        y, uv = planes
        planes = [y, uv[:, ::2], uv[:, 1::2]]
    y, u, v = planes
    whole = np.empty((*form.whole_px, 3), np.uint8)
    _rgb_numpy(y, u, v, whole)
    resample(whole, np.asarray(out))


def _rgb_numpy(y: _Plane, u: _Plane, v: _Plane, out: Pixels) -> None:
    import numpy as np

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
