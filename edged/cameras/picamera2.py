"""The Raspberry Pi's own cameras, through picamera2 and libcamera."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from edged import install
from edged.cameras.orient import exact_px, reduced_px
from edged.cameras.raw import to_rgb
from edged.cameras.source import Capture
from edged.cameras.stamps import Stamps
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError
from edged.redact import public_name

BUFFERS = 4
"""Requests in flight: the fewest that libcamera's pipelines run smoothly with."""

FOURCC = {"BGR888": "RGB3", "YUV420": "YU12"}
"""libcamera's formats by what lies in memory: there, "BGR888" is R, G, B (little-endian words)."""

CHECK = "check its cable, and that no other program uses it"

INSTALL = (
    "install it with: apt install python3-picamera2, and let edged's virtual environment "
    "see the system's packages (python3 -m venv --system-site-packages)"
)


class Picamera2Source:
    """The camera that ``source`` names by number or model; "" is the first.

    Where the model needs less than a whole frame, the ISP scales: the ``lores`` stream is for the
    model and the ``main`` stream for people. ``captured_s`` is when the sensor's first line was
    exposed.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # As of every source; but nothing ends this library's wait for a frame.
        del sleep
        self._camera = camera
        self._clock = clock
        self._limit_s = camera.start_s
        self.name = "picamera2"
        self._stamps = Stamps(self.name, camera.timeout_s)
        # libcamera wants even sides.
        self._size_px = (camera.height_px & ~1, camera.width_px & ~1)
        self.least_px: tuple[int, int] | None = None
        self._reduced_px: tuple[int, int] | None = None
        # picamera2 has no types that mypy could follow.
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
            # The one exception with which picamera2 and libcamera's binding refuse anything.
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
            captured_s, doubt = self._captured_s(request.get_metadata())
            # Copies, because the camera fills the buffers again after the release.
            copies = {name: request.make_buffer(name) for name in self._streams}
        finally:
            # Every request that is not given back is a buffer less, until none is left to fill.
            request.release()
        decode = partial(self._pixels, self._streams, copies)
        reduces = self._streams["main"]["format"] == "YUV420"
        return Capture(captured_s, decode, reduces, doubt=doubt)

    def _choose(self, cameras: list[dict[str, Any]]) -> tuple[int, str]:
        """The number and the model of the camera that ``source`` names."""
        source = self._camera.source
        models = [str(camera.get("Model", "unknown")) for camera in cameras]
        for number, model in enumerate(models):
            if source in ("", str(number), model):
                return number, model
        if not models:
            raise CameraError("picamera2: no camera found; check its cable, then start again")
        raise CameraError(
            f"picamera2: no camera {public_name(source)!r}; "
            "set camera.source to its number or model: "
            + ", ".join(f"{number} is {model}" for number, model in enumerate(models))
        )

    def _start(self) -> None:
        """Start the streams, or others where another size is needed now."""
        height_px, width_px = reduced_px(self._size_px, self.least_px)
        reduced = (height_px + height_px % 2, width_px + width_px % 2)
        if reduced == self._reduced_px:
            return
        from libcamera import ColorSpace

        if self._reduced_px is not None:
            self._device.stop()
        self._reduced_px = reduced
        reduces = reduced != self._size_px
        # A model that takes whole frames is spared the conversion; else RGB would only be larger.
        main = {"size": self._size_px[::-1], "format": "YUV420" if reduces else "BGR888"}
        # YUV, because up to the Raspberry Pi 4 the ISP's second output knows nothing else.
        lores = {"size": reduced[::-1], "format": "YUV420"} if reduces else None
        frame_us = round(1e6 / self._camera.fps)
        device = self._device
        device.configure(
            device.create_video_configuration(
                main=main,
                lores=lores,
                raw=None,
                # What edged.imaging.yuv converts; picamera2's own choice depends on the size.
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

    def _captured_s(self, metadata: dict[str, Any]) -> tuple[float, str | None]:
        """``time.monotonic()`` of the exposure, and what is odd about it.

        It is now, where the camera does not tell it.
        """
        now_s = self._clock()
        stamp_ns = metadata.get("SensorTimestamp")
        if stamp_ns is None:
            return now_s, None
        # libcamera counts from boot, with the time that the machine slept (CLOCK_BOOTTIME).
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - stamp_ns / 1e9
        return self._stamps.trusted(now_s - age_s, now_s)

    def _pixels(
        self, streams: dict[str, Any], copies: dict[str, Any], least_px: tuple[int, int] | None
    ) -> Pixels:
        # Of the streams that this frame was captured with: there may be others by now.
        name = "lores" if least_px is not None and "lores" in copies else "main"
        stream, data = streams[name], copies[name]
        width_px, height_px = stream["size"]
        fourcc = FOURCC[stream["format"]]
        size_px = exact_px(self._camera, (height_px, width_px), least_px)
        try:
            return to_rgb(fourcc, data, width_px, height_px, stream["stride"], size_px)
        except CameraError as error:
            raise CameraError(f"{self.name}: {error}; check its cable") from error


def has_camera() -> bool:
    """Whether picamera2 is there and knows a camera; what is wrong with it does not matter here."""
    try:
        return bool(_picamera2().Picamera2.global_camera_info())
    except (CameraError, RuntimeError):
        return False


def _picamera2() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise CameraError(f"picamera2: not available ({error}); {INSTALL}") from error
    # Binary packages of the system beside another numpy in the virtual environment.
    except ValueError as error:
        raise CameraError(
            f"picamera2: it does not fit the installed numpy ({error}); "
            + install.command("'numpy<2'")
        ) from error
    # It tells of every opening.
    logging.getLogger("picamera2").setLevel(logging.ERROR)
    return picamera2
