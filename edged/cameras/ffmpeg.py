"""Converts the frames of videos to upright RGB."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from edged.cameras.orient import reduced_px
from edged.errors import CameraError, PictureError
from edged.imaging.picture import decode_jpeg
from edged.imaging.turbojpeg import UPRIGHT, upright

if TYPE_CHECKING:
    from edged.core import Pixels


def from_jpeg(data: bytes, name: str, least_px: tuple[int, int] | None) -> Pixels:
    """A JPEG frame of the stream `name`, upright. CameraError."""
    try:
        return decode_jpeg(data, name, least_px)
    except PictureError as error:
        # The same text for all, so that a run of damaged frames is logged once.
        raise CameraError(f"{name}: damaged JPEG frame; check the network") from error


def rgb(
    frame: Any, turned: int, scaler: Any, name: str, least_px: tuple[int, int] | None
) -> Pixels:
    """`frame` as RGB, at the size that `least_px` needs, through `scaler`, the loop's own.

    `turned` is its `orientation`, which is undone. CameraError.
    """
    import av
    from av.video.reformatter import VideoReformatter

    if least_px is not None and turned >= 5:
        least_px = (least_px[1], least_px[0])
    height, width = reduced_px((frame.height, frame.width), least_px)
    try:
        # One scaler for all frames is set up once; another thread may request all pixels.
        picture: Any = (VideoReformatter() if least_px is None else scaler).reformat(
            frame, width=width, height=height, format="rgb24", interpolation="AREA"
        )
        pixels: Pixels = picture.to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        raise CameraError(f"{name}: a frame cannot be converted to RGB; check the codec") from error
    return upright(pixels, turned)


def orientation(frame: Any, before: int) -> int:
    """The rotation of `frame` by its display matrix, as an EXIF orientation: 1 (upright) to 8.

    `before` is that of the previous frame, which stays valid until the next key frame: files give
    it for each frame, streams only occasionally.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT if frame.key_frame else before
    # Rows of (a, b, u), (c, d, v), (x, y, w): a point maps to (a x + c y, b x + d y).
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return {(0, 0): UPRIGHT, (1, 0): 2, (1, 1): 3, (0, 1): 4}[a < 0, d < 0]
    return {(0, 0): 5, (0, 1): 6, (1, 1): 7, (1, 0): 8}[b < 0, c < 0]
