"""The Raspberry Pi's own cameras, through picamera2 and libcamera."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from edged import install
from edged.cameras.orient import exact_px, reduced_px
from edged.cameras.raw import RawFrame
from edged.cameras.source import Capture
from edged.cameras.stamps import Stamps
from edged.errors import CameraError
from edged.redact import public_name

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig
    from edged.core import Pixels

BUFFERS = 4
"""Requests in flight: the fewest with which libcamera's pipelines run smoothly."""

FOURCC = {"BGR888": "RGB3", "YUV420": "YU12"}
"""libcamera's formats by what lies in memory: there, "BGR888" is R, G, B (little-endian words)."""

CHECK = "check its cable, and that no other program uses it"

INSTALL = (
    "install it with: apt install python3-picamera2, and let edged's virtual environment "
    "see the system's packages (python3 -m venv --system-site-packages)"
)


class Picamera2Source:
    """The camera that ``source`` names by number or model; "" is the first.

    If the model needs less than a whole frame, the ISP scales: the ``lores`` stream is for the
    model and the ``main`` stream for people. ``captured_s`` is when the sensor's first line was
    exposed.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # As for every source; but nothing interrupts this library's wait for a frame.
        del sleep
        self._camera = camera
        self._clock = clock
        self._limit_s = camera.start_s
        self.name = "picamera2"
        self._stamps = Stamps(self.name, camera.timeout_s)
        # libcamera requires even sides.
        self._size_px = (camera.height_px & ~1, camera.width_px & ~1)
        self.least_px: tuple[int, int] | None = None
        self._reduced_px: tuple[int, int] | None = None
        # picamera2 has no types for mypy.
        self._device: Any = None
        self._streams: dict[str, Any] = {}

    def __enter__(self) -> Picamera2Source:
        library = _picamera2()
        number, model = self._choose(library.Picamera2.global_camera_info())
        self.name = f"Raspberry Pi camera {number} ({model})"
        with ExitStack() as undo:
            undo.callback(self.__exit__)
            try:
                self._device = library.Picamera2(number)
                self._start()
            # The only exception that picamera2 and libcamera's binding raise.
            except RuntimeError as error:
                raise CameraError(f"{self.name}: {error}; {CHECK}") from error
            undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._device is not None:
            with suppress(RuntimeError):
                self._device.close()
            self._device = self._reduced_px = None

    def grab(self) -> Capture:
        try:
            self._start()
            request = self._device.capture_request(wait=self._limit_s)
        except concurrent.futures.TimeoutError as error:
            raise CameraError(
                f"{self.name}: no frame for {self._limit_s:g} s; check its cable"
            ) from error
        except RuntimeError as error:
            raise CameraError(f"{self.name}: {error}; {CHECK}") from error
        self._limit_s = self._camera.timeout_s
        try:
            captured_s, exposure_s, doubt = self._times_s(request.get_metadata())
            # Copies, because the camera reuses the buffers after the release.
            copies = {name: request.make_buffer(name) for name in self._streams}
        finally:
            # Every request that is not released is one buffer less, until none is left.
            request.release()
        decode = partial(self._pixels, self._streams, copies)
        return Capture(
            captured_s,
            decode,
            reduces=self._streams["main"]["format"] == "YUV420",
            exposure_s=exposure_s,
            doubt=doubt,
        )

    def _choose(self, cameras: list[dict[str, Any]]) -> tuple[int, str]:
        """The number and the model of the camera that ``source`` names."""
        source = self._camera.source
        models = [str(camera.get("Model", "unknown")) for camera in cameras]
        for number, model in enumerate(models):
            if source in ("", str(number), model):
                return number, model
        if not models:
            raise CameraError("picamera2: no camera found; check its cable, then restart edged")
        raise CameraError(
            f"picamera2: no camera {public_name(source)!r}; "
            "set camera.source to its number or model: "
            + ", ".join(f"{number} is {model}" for number, model in enumerate(models))
        )

    def _start(self) -> None:
        """Start the streams, or others if another size is needed now."""
        height_px, width_px = reduced_px(self._size_px, self.least_px)
        reduced = (height_px + height_px % 2, width_px + width_px % 2)
        if reduced == self._reduced_px:
            return
        from libcamera import ColorSpace

        if self._reduced_px is not None:
            self._device.stop()
        self._reduced_px = reduced
        reduces = reduced != self._size_px
        # RGB spares a model that takes whole frames the conversion; otherwise it is only larger.
        main = {"size": self._size_px[::-1], "format": "YUV420" if reduces else "BGR888"}
        # YUV, because up to the Raspberry Pi 4 the ISP's second output has no other format.
        lores = {"size": reduced[::-1], "format": "YUV420"} if reduces else None
        frame_us = round(1e6 / self._camera.fps)
        device = self._device
        device.configure(
            device.create_video_configuration(
                main=main,
                lores=lores,
                raw=None,
                # The colour space that edged.imaging.yuv converts; picamera2's default depends on
                # the size.
                colour_space=ColorSpace.Smpte170m(),
                buffer_count=BUFFERS,
                controls={"FrameDurationLimits": (frame_us, frame_us)},
                display=None,
                encode=None,
            )
        )
        # libcamera may have adjusted sizes, and only it knows the strides.
        configuration = device.camera_configuration()
        self._streams = {name: configuration[name] for name in ("main", "lores")[: 1 + reduces]}
        device.start()

    def _times_s(self, metadata: dict[str, Any]) -> tuple[float, float | None, str | None]:
        """``time.monotonic()`` of the capture, and how long before that the exposure began.

        Also what is odd about it.

        Now and None, if the camera does not report them. On a Raspberry Pi ``SensorTimestamp`` is
        when the first line was read out, which ends its exposure; ``ExposureTime`` is in µs.
        """
        now_s = self._clock()
        stamp_ns = metadata.get("SensorTimestamp")
        if stamp_ns is None:
            return now_s, None, None
        # libcamera counts from boot, including suspended time (CLOCK_BOOTTIME).
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - stamp_ns / 1e9
        captured_s, doubt = self._stamps.trusted(now_s - age_s, now_s)
        exposure_us = None if doubt else metadata.get("ExposureTime")
        return captured_s, None if exposure_us is None else exposure_us / 1e6, doubt

    def _pixels(
        self, streams: dict[str, Any], copies: dict[str, Any], least_px: tuple[int, int] | None
    ) -> Pixels:
        # The streams of this frame: they may have been replaced by now.
        name = "lores" if least_px is not None and "lores" in copies else "main"
        stream, data = streams[name], copies[name]
        width_px, height_px = stream["size"]
        fourcc = FOURCC[stream["format"]]
        raw = RawFrame(self.name, fourcc, data, width_px, height_px, stream["stride"])
        return raw.pixels(exact_px(self._camera, raw.size_px, least_px))


def has_camera() -> bool:
    """Whether picamera2 is installed and finds a camera; any error counts as no camera."""
    try:
        return bool(_picamera2().Picamera2.global_camera_info())
    except (CameraError, RuntimeError):
        return False


def _picamera2() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise CameraError(f"picamera2: not available ({error}); {INSTALL}") from error
    # The system's binary packages with another numpy in the virtual environment.
    except ValueError as error:
        raise CameraError(
            f"picamera2: not compatible with the installed numpy ({error}); "
            + install.command("'numpy<2'")
        ) from error
    # It logs every opening.
    logging.getLogger("picamera2").setLevel(logging.ERROR)
    return picamera2
