"""Uncompressed frames, as drivers deliver them, and their conversion to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edged.errors import CameraError
from edged.imaging import yuv

# The process of a camera has no numpy where the kernel does all.
if TYPE_CHECKING:
    from typing_extensions import Buffer

    from edged.core import Pixels

Size = tuple[int, int]
"""Height and width in pixels."""


class Layout(NamedTuple):
    """How the bytes of an uncompressed frame become pixels.

    ``pixel_bytes`` is the bytes per pixel in a line of the first plane, ``planes`` the size of all
    planes relative to the first. ``yuv`` is the layout of `edged.imaging.yuv`: such a frame is
    resized as it is converted. Others, of lines of bytes, are converted at full size.
    """

    pixel_bytes: int
    planes: float
    yuv: str = ""


FORMATS = {
    "YUYV": Layout(2, 1.0, "YUYV"),
    "NV12": Layout(1, 1.5, "NV12"),
    "YU12": Layout(1, 1.5, "I420"),
    "RGB3": Layout(3, 1.0),
    "BGR3": Layout(3, 1.0),
    "GREY": Layout(1, 1.0),
}
"""The supported uncompressed formats, by their FourCC, best first."""


class RawFrame(NamedTuple):
    """The bytes of a frame in one of `FORMATS`.

    ``name`` is the camera's, for errors; ``stride_bytes`` is the length of a line of the first
    plane, 0 if the driver does not report it.
    """

    name: str
    fourcc: str
    data: Buffer
    width_px: int
    height_px: int
    stride_bytes: int

    @property
    def size_px(self) -> Size:
        return self.height_px, self.width_px

    def pixels(self, size_px: Size | None = None) -> Pixels:
        """As RGB; CameraError if part of the data is missing.

        With `size_px`, YUV is resized to it, which is faster than converting first. RGB keeps its
        size: resizing it later costs the same.
        """
        import numpy as np

        layout, stride_bytes = self._whole()
        if layout.yuv:
            out = np.empty((*(size_px or self.size_px), 3), np.uint8)
            self.convert(out.data)
            return out
        channels = layout.pixel_bytes
        shape, strides = (*self.size_px, channels), (stride_bytes, channels, 1)
        lines = np.ndarray(shape, np.uint8, memoryview(self.data), strides=strides)
        if channels == 1:
            return lines.repeat(3, axis=2)
        return lines[..., ::-1] if self.fourcc == "BGR3" else lines

    def convert(self, out: memoryview) -> None:
        """Write it, resized, into `out` of shape (height, width, 3). CameraError as `pixels`."""
        layout, stride_bytes = self._whole()
        if layout.yuv:
            try:
                yuv.convert(layout.yuv, self.data, self.size_px, stride_bytes, out)
            except CameraError as error:
                raise CameraError(f"{self.name}: {error}") from error
            return
        import numpy as np

        from edged.imaging.resample import resample

        resample(self.pixels(), np.asarray(out))

    def _whole(self) -> tuple[Layout, int]:
        """Its layout and stride; CameraError if it is not whole."""
        layout = FORMATS[self.fourcc]
        stride_bytes = max(self.stride_bytes, self.width_px * layout.pixel_bytes)
        if memoryview(self.data).nbytes < stride_bytes * self.height_px * layout.planes:
            raise CameraError(
                f"{self.name}: part of the {self.fourcc} frame is missing; check the cable"
            )
        return layout, stride_bytes
