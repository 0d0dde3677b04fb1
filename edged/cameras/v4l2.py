"""Cameras of the kernel's Video4Linux2 interface, mostly USB cameras."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cameras import videodev2
from edged.cameras.orient import exact_px
from edged.cameras.pace import LOOK_S
from edged.cameras.raw import FORMATS, RawFrame
from edged.cameras.source import Capture
from edged.cameras.stamps import Stamps
from edged.errors import CameraError, PictureError
from edged.native import kernels
from edged.printable import printable
from edged.redact import public_name

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig
    from edged.core import Pixels

log = logging.getLogger(__name__)

DEV = Path("/dev")

BUFFERS = 4
"""Frames that the driver may fill while one is copied; most drivers need 2 to 4."""

RAW_LIMIT_PX = 640 * 480
"""Larger uncompressed frames do not fit USB 2.0's 480 Mbit/s at 30 frames a second."""

NOT_CAMERAS = frozenset({"bcm2835-codec", "bcm2835-isp", "pispbe", "rp1-cfe", "unicam"})
"""Drivers of a Raspberry Pi whose nodes capture, but deliver no finished camera picture."""

JPEG_FORMATS = ("MJPG", "JPEG")


class V4l2Source:
    """The camera at ``source``: a path, the number of a ``/dev/video*``, or "" for the first.

    Raw frames if they are small and fast enough, else Motion JPEG. The driver may change size and
    frame rate to what the camera supports.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._sleep = sleep
        self.name = printable(device_path(public_name(camera.source)) or "v4l2")
        self._device: videodev2.Device | None = None
        self._is_camera = False
        self._fourcc = ""
        self._limit_s = camera.start_s

    def __enter__(self) -> V4l2Source:
        path = device_path(self._camera.source) or first_camera()
        self.name = str(path)
        with ExitStack() as undo:
            undo.callback(self.__exit__)
            try:
                self._device = device = videodev2.Device(path)
                self._start(device)
            except OSError as error:
                raise self._failure(error) from error
            undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        device, self._device = self._device, None
        if device is not None:
            # An unplugged camera refuses it.
            with suppress(OSError):
                device.stop()
            with suppress(OSError):
                device.close()

    def grab(self) -> Capture:
        device = self._device
        if device is None:
            raise ValueError("the camera is not open")
        deadline_s = self._clock() + self._limit_s
        what = "no frame"
        while (left_s := deadline_s - self._clock()) > 0:
            try:
                frame = device.newest(min(LOOK_S, left_s))
            except OSError as error:
                raise self._failure(error) from error
            if frame is None:
                self._sleep(0.0)
                continue
            # The driver marks incomplete frames.
            if frame.data and not frame.flags & videodev2.ERROR:
                self._limit_s = self._camera.timeout_s
                return self._capture(frame)
            what = "only damaged frames"
            deadline_s = min(deadline_s, self._clock() + self._camera.timeout_s)
        raise CameraError(f"{self.name}: {what} for {self._limit_s:g} s; check its cable and power")

    def _start(self, device: videodev2.Device) -> None:
        camera, info = self._camera, device.capability()
        self.name = f"{self.name} ({printable(info.card.decode(errors='replace'))})"
        self._is_camera = True
        if not videodev2.CAN_CAPTURE & info.device_caps:
            raise CameraError(f"{self.name}: it does not capture video; {_others()}")
        if not videodev2.CAN_STREAM & info.device_caps:
            raise CameraError(f"{self.name}: its driver has no streaming, which edged needs")
        offered = {videodev2.fourcc(number): number for number in device.formats()}
        if not offered:
            raise CameraError(
                f"{self.name}: it offers no pixel format; check what feeds it, or {_others()}"
            )

        def most_fps(fourcc: str) -> float:
            return device.most_fps(offered[fourcc], camera.width_px, camera.height_px)

        fourcc = choose_format(offered, camera, most_fps)
        if fourcc is None:
            raise CameraError(
                f"{self.name}: no pixel format in common; it has {', '.join(sorted(offered))}, "
                f"edged reads {', '.join((*FORMATS, *JPEG_FORMATS))}"
            )
        self._format = device.set_format(offered[fourcc], camera.width_px, camera.height_px)
        # Not every driver supports setting the rate; frames arrive in any case.
        with suppress(OSError):
            device.set_fps(camera.fps)
        self._fourcc = videodev2.fourcc(self._format.pixelformat)
        if self._fourcc not in FORMATS and self._fourcc not in JPEG_FORMATS:
            raise CameraError(
                f"{self.name}: the driver chose {self._fourcc}, which edged cannot read; "
                "set another camera.width_px and height_px"
            )
        _prepare(self._fourcc)
        device.start(BUFFERS)
        self._stamps = Stamps(self.name, camera.timeout_s)
        log.info(
            "camera %s: %dx%d %s", self.name, self._format.width, self._format.height, self._fourcc
        )

    def _capture(self, frame: videodev2.Frame) -> Capture:
        captured_s, doubt = self._clock(), None
        clock = frame.flags & videodev2.TIMESTAMP_MASK
        if clock == videodev2.TIMESTAMP_MONOTONIC and frame.stamp_s:
            captured_s, doubt = self._stamps.trusted(frame.stamp_s, captured_s)
        if self._fourcc in JPEG_FORMATS:
            return Capture(captured_s, partial(self._jpeg, frame.data), reduces=True, doubt=doubt)
        form = self._format
        size = form.width, form.height, form.bytesperline
        raw = RawFrame(self.name, self._fourcc, frame.data, *size)
        reduces = FORMATS[self._fourcc].yuv != ""
        return Capture(captured_s, partial(self._pixels, raw), reduces, doubt=doubt, raw=raw)

    def _jpeg(self, data: bytes, least_px: tuple[int, int] | None) -> Pixels:
        from edged.imaging.picture import decode_jpeg

        try:
            return decode_jpeg(data, self.name, least_px)
        except PictureError as error:
            # The same text for all, so that a run of damaged frames is logged once.
            raise CameraError(f"{self.name}: damaged JPEG frame; check the cable") from error

    def _pixels(self, raw: RawFrame, least_px: tuple[int, int] | None) -> Pixels:
        return raw.pixels(exact_px(self._camera, raw.size_px, least_px))

    def _failure(self, error: OSError) -> CameraError:
        match error.errno:
            case errno.EACCES | errno.EPERM:
                reason = "no permission; add edged's user to the group video"
            case errno.ENOENT | errno.ENXIO:
                reason = f"no such device; {_others()}"
            case errno.ENODEV:
                reason = "it was unplugged; plug it in again"
            case errno.EBUSY:
                reason = "another program uses it; stop that one or choose another camera.source"
            case errno.ENOMEM:
                reason = "no memory for its frames; free some, or lower camera.width_px"
            case errno.ENOTTY if not self._is_camera:
                reason = f"it is not a video device; {_others()}"
            case errno.ENOSPC:
                reason = "the USB bus is full; lower camera.width_px or fps, or use another port"
            case _:
                reason = f"{error.strerror or error}; plug it in again or set another camera.source"
        return CameraError(f"{self.name}: {reason}")


def choose_format(
    offered: Collection[str], camera: CameraConfig, most_fps: Callable[[str], float]
) -> str | None:
    """The pixel format to ask for; None if edged reads none of those `offered`.

    Raw frames cost less to decode, so they are preferred if they are small enough for the bus and
    fast enough. `most_fps` returns the highest frame rate of a format at the wanted size.
    """
    raw = next((fourcc for fourcc in FORMATS if fourcc in offered), None)
    jpeg = next((fourcc for fourcc in JPEG_FORMATS if fourcc in offered), None)
    if raw is None or jpeg is None:
        return raw or jpeg
    if camera.width_px * camera.height_px > RAW_LIMIT_PX:
        return jpeg
    # 29.97 is as good as 30.
    return raw if most_fps(raw) >= 0.99 * min(camera.fps, most_fps(jpeg)) else jpeg


def _prepare(fourcc: str) -> None:
    """Import before the start what the first frame would else wait for.

    That is numpy and decoders, which YUV does without where the kernel converts it.
    """
    compiled = kernels is not None
    if not (compiled and fourcc in FORMATS and FORMATS[fourcc].yuv):
        import_module("edged.imaging.picture")
    if not compiled:
        import_module("PIL.Image")


def device_path(source: str) -> Path | None:
    """What ``source`` names: a path, or the number of a ``/dev/video*``; None for ""."""
    if source.isdecimal():
        return DEV / f"video{source}"
    return Path(source) if source else None


def nodes() -> list[Path]:
    """All ``/dev/video*``, by number."""
    found = [path for path in DEV.glob("video*") if path.name[5:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def first_camera() -> Path:
    """The first ``/dev/video*`` that delivers pictures; CameraError if there is none."""
    paths = nodes()
    if not paths:
        raise CameraError("v4l2: no camera: there is no /dev/video*; plug one in")
    forbidden: Path | None = None
    for path in paths:
        try:
            with videodev2.Device(path) as device:
                info = device.capability()
                captures = videodev2.CAN_CAPTURE & info.device_caps
                if captures and info.driver.decode(errors="replace") not in NOT_CAMERAS:
                    return path
        except PermissionError:
            forbidden = forbidden or path
        except OSError:
            continue
    if forbidden is not None:
        raise CameraError(f"{forbidden}: no permission; add edged's user to the group video")
    raise CameraError("v4l2: no camera: no /dev/video* captures video; plug one in")


def _others() -> str:
    paths = nodes()
    if not paths:
        return "there is no /dev/video*; plug a camera in"
    return f"set camera.source to one of {', '.join(map(str, paths))}"
