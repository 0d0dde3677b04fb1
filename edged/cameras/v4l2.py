"""Cameras of the kernel's Video4Linux2 interface, mostly USB cameras, through linuxpy."""

from __future__ import annotations

import errno
import logging
import math
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged import install
from edged.cameras.orient import exact_px
from edged.cameras.pace import LOOK_S
from edged.cameras.raw import FORMATS, to_rgb
from edged.cameras.source import Capture
from edged.cameras.stamps import Stamps
from edged.errors import CameraError, PictureError
from edged.imaging.picture import decode_jpeg
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

# Values of <linux/videodev2.h>.
FLAG_ERROR = 0x40
FLAG_TIMESTAMP_MASK = 0xE000
FLAG_TIMESTAMP_MONOTONIC = 0x2000


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
        # linuxpy has no types for mypy.
        self._device: Any = None
        self._stream: Any = None
        self._format: Any = None
        self._fourcc = ""
        self._limit_s = camera.start_s

    def __enter__(self) -> V4l2Source:
        path = device_path(self._camera.source) or first_camera()
        self.name = str(path)
        linuxpy = _linuxpy()
        with ExitStack() as undo:
            undo.callback(self.__exit__)
            try:
                self._device = linuxpy.Device(str(path))
                self._device.open()
                self._start(linuxpy)
            except OSError as error:
                raise self._failure(error) from error
            # linuxpy raises it for unknown pixel formats and devices.
            except (ValueError, linuxpy.V4L2Error) as error:
                raise CameraError(f"{self.name}: {error}; set another camera.source") from error
            undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        # An unplugged camera refuses all of this, but its mappings must still go: while they exist,
        # the kernel keeps its number, and it would come back as another /dev/video*.
        if self._stream is not None:
            buffer = self._stream.buffer
            with suppress(OSError, ValueError):
                self._stream.close()
            if buffer is not None:
                with suppress(OSError, ValueError):
                    buffer.close()
            self._stream = None
        if self._device is not None:
            with suppress(OSError):
                self._device.close()
            self._device = None

    def grab(self) -> Capture:
        deadline_s = self._clock() + self._limit_s
        what = "no frame"
        while (left_s := deadline_s - self._clock()) > 0:
            try:
                frame = self._newest(min(LOOK_S, left_s))
            except OSError as error:
                raise self._failure(error) from error
            if frame is None:
                self._sleep(0.0)
                continue
            # The driver marks incomplete frames.
            if frame.nbytes and not frame.buff.flags & FLAG_ERROR:
                self._limit_s = self._camera.timeout_s
                return self._capture(frame)
            what = "only damaged frames"
            deadline_s = min(deadline_s, self._clock() + self._camera.timeout_s)
        raise CameraError(f"{self.name}: {what} for {self._limit_s:g} s; check its cable and power")

    def _start(self, linuxpy: Any) -> None:
        camera, info = self._camera, self._device.info
        self.name = f"{self.name} ({printable(info.card)})"
        capture = linuxpy.BufferType.VIDEO_CAPTURE
        if linuxpy.Capability.VIDEO_CAPTURE not in info.device_capabilities:
            raise CameraError(f"{self.name}: it does not capture video; {_others()}")
        # Only this type: linuxpy fails on the formats of overlays.
        offered = {_fourcc(f.pixel_format): f for f in info.buffer_formats(capture)}

        def most_fps(fourcc: str) -> float:
            pixel_format = offered[fourcc].pixel_format
            rates = linuxpy.iter_read_frame_intervals(
                self._device, pixel_format, camera.width_px, camera.height_px
            )
            with suppress(ZeroDivisionError):
                # Zero means "unknown".
                return max(float(max(r.min_fps, r.max_fps)) or math.inf for r in rates)
            return math.inf

        fourcc = choose_format(offered, camera, most_fps)
        if fourcc is None:
            raise CameraError(
                f"{self.name}: no pixel format in common; it has {', '.join(sorted(offered))}, "
                f"edged reads {', '.join((*FORMATS, *JPEG_FORMATS))}"
            )
        self._stream = linuxpy.VideoCapture(self._device, BUFFERS)
        self._stream.set_format(camera.width_px, camera.height_px, fourcc)
        # Not every driver supports setting the rate; frames arrive in any case.
        with suppress(OSError):
            self._stream.set_fps(camera.fps)
        self._format = self._stream.get_format()
        self._fourcc = _fourcc(self._format.pixel_format)
        if self._fourcc not in FORMATS and self._fourcc not in JPEG_FORMATS:
            raise CameraError(
                f"{self.name}: the driver chose {self._fourcc}, which edged cannot read; "
                "set another camera.width_px and height_px"
            )
        self._stream.open()
        self._stamps = Stamps(self.name, camera.timeout_s)
        log.info(
            "camera %s: %dx%d %s", self.name, self._format.width, self._format.height, self._fourcc
        )

    def _newest(self, timeout_s: float) -> Any:
        """linuxpy's newest frame, its data copied out of the driver's buffer; None if none came."""
        reader = self._stream.buffer.frame_reader
        frame = reader.read(timeout_s)
        # After a pause of this thread several frames wait; only the last one matters.
        for _ in range(BUFFERS if frame is not None else 0):
            newer = reader.read(0.0)
            if newer is None:
                break
            frame = newer
        return frame

    def _capture(self, frame: Any) -> Capture:
        captured_s, doubt = self._clock(), None
        monotonic = frame.buff.flags & FLAG_TIMESTAMP_MASK == FLAG_TIMESTAMP_MONOTONIC
        # A driver that does not stamp frames leaves 0.
        if monotonic and frame.timestamp:
            captured_s, doubt = self._stamps.trusted(frame.timestamp, captured_s)
        if self._fourcc not in JPEG_FORMATS:
            reduces = FORMATS[self._fourcc].reduces
            return Capture(captured_s, partial(self._raw, frame.data), reduces, doubt=doubt)
        return Capture(captured_s, partial(self._jpeg, frame.data), reduces=True, doubt=doubt)

    def _jpeg(self, data: bytes, least_px: tuple[int, int] | None) -> Pixels:
        try:
            return decode_jpeg(data, self.name, least_px)
        except PictureError as error:
            # The same text for all, so that a run of damaged frames is logged once.
            raise CameraError(f"{self.name}: damaged JPEG frame; check the cable") from error

    def _raw(self, data: bytes, least_px: tuple[int, int] | None) -> Pixels:
        form = self._format
        size_px = exact_px(self._camera, (form.height, form.width), least_px)
        try:
            return to_rgb(self._fourcc, data, form.width, form.height, form.bytes_per_line, size_px)
        except CameraError as error:
            raise CameraError(f"{self.name}: {error}; check the cable") from error

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
            case errno.ENOTTY:
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
    linuxpy = _linuxpy()
    forbidden: Path | None = None
    for path in paths:
        try:
            with linuxpy.Device(str(path)) as device:
                captures = linuxpy.Capability.VIDEO_CAPTURE in device.info.device_capabilities
                if captures and device.info.driver not in NOT_CAMERAS:
                    return path
        except PermissionError:
            forbidden = forbidden or path
        except (OSError, ValueError):
            continue
    if forbidden is not None:
        raise CameraError(f"{forbidden}: no permission; add edged's user to the group video")
    raise CameraError("v4l2: no camera: no /dev/video* captures video; plug one in")


def _others() -> str:
    paths = nodes()
    if not paths:
        return "there is no /dev/video*; plug a camera in"
    return f"set camera.source to one of {', '.join(map(str, paths))}"


def _fourcc(pixel_format: int) -> str:
    return int(pixel_format).to_bytes(4, "little").decode("ascii", "replace").strip()


def _linuxpy() -> Any:
    # Imported here, because it takes 0.15 s and 15 MB, only needed with such a camera.
    try:
        import linuxpy.video.device
    except ImportError as error:
        raise CameraError(
            f"v4l2: linuxpy cannot be loaded ({error}); {install.command('linuxpy')}"
        ) from error
    # It logs every opening and unknown formats.
    logging.getLogger("linuxpy").setLevel(logging.ERROR)
    return linuxpy.video.device
