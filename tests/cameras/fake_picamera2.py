"""A picamera2, and the libcamera under it, that keep their documented contract.

After the Picamera2 manual and its source: streams with even sides and padded lines, a second
stream in YUV that is not larger than the first, one owner of a camera, configuration only while
stopped, a fixed number of buffers that come back only by release and are then filled anew, time
stamps of CLOCK_BOOTTIME, and formats whose names read the bytes of a pixel backwards.
"""

from __future__ import annotations

import concurrent.futures
import importlib.machinery
import sys
import threading
import time
import types
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

Colour = tuple[int, int, int]

PIXEL_BYTES = {"BGR888": 3, "RGB888": 3, "XBGR8888": 4, "XRGB8888": 4, "YUV420": 1}


def padded(stream: dict[str, Any]) -> dict[str, Any]:
    """What libcamera makes of a stream: lines of whole 64 bytes, the size of a buffer."""
    if stream["format"] not in PIXEL_BYTES:
        raise RuntimeError(f"Bad format {stream['format']} in stream")
    width, height = stream["size"]
    if width % 2 or height % 2:
        raise RuntimeError("width and height should be even")
    stride = -(-width * PIXEL_BYTES[stream["format"]] // 64) * 64
    planes = 1.5 if stream["format"] == "YUV420" else 1
    return {**stream, "stride": stride, "framesize": int(stride * height * planes)}


def rendered(stream: dict[str, Any], colour: Colour, full_range: bool) -> npt.NDArray[np.uint8]:
    """A buffer full of one colour; the padding holds what was there before."""
    width, height = stream["size"]
    stride = stream["stride"]
    buffer = np.full(stream["framesize"], 77, np.uint8)
    red, green, blue = colour
    if stream["format"] != "YUV420":
        pixel = {
            "BGR888": (red, green, blue),
            "RGB888": (blue, green, red),
            "XBGR8888": (red, green, blue, 255),
            "XRGB8888": (blue, green, red, 255),
        }[stream["format"]]
        buffer.reshape(height, stride)[:, : width * len(pixel)] = pixel * width
        return buffer
    # ITU-R BT.601, in the limited range of video unless told otherwise.
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    black, span, chroma_span = (0, 1.0, 1.0) if full_range else (16, 219 / 255, 224 / 255)
    values = (
        black + luma * span,
        128 + (blue - luma) / 1.772 * chroma_span,
        128 + (red - luma) / 1.402 * chroma_span,
    )
    shapes = [(height, stride), (height // 2, stride // 2), (height // 2, stride // 2)]
    start = 0
    for value, (rows, line) in zip(values, shapes, strict=True):
        plane = buffer[start : start + rows * line].reshape(rows, line)
        plane[:, : width if line == stride else width // 2] = round(value)
        start += rows * line
    return buffer


class ColorSpace:
    def __init__(self, full_range: bool) -> None:
        self.full_range = full_range

    @classmethod
    def Smpte170m(cls) -> ColorSpace:  # noqa: N802 (libcamera's name)
        return cls(full_range=False)

    @classmethod
    def Sycc(cls) -> ColorSpace:  # noqa: N802 (libcamera's name)
        return cls(full_range=True)


class Request:
    """One filled set of buffers, which belongs to the caller until it is released."""

    def __init__(self, camera: Picamera2, metadata: dict[str, Any]) -> None:
        self._camera = camera
        self._metadata = metadata
        self._released = False
        self._buffers = {
            name: rendered(stream, camera.scene, camera.full_range)
            for name, stream in camera.streams.items()
        }

    def _check(self) -> None:
        if self._released:
            raise RuntimeError("the request was released")

    def get_metadata(self) -> dict[str, Any]:
        self._check()
        return self._metadata

    def make_buffer(self, name: str) -> npt.NDArray[np.uint8]:
        self._check()
        if name not in self._buffers:
            raise RuntimeError(f"Stream {name!r} is not defined")
        return self._buffers[name].copy()

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        stream = self._camera.streams[name]
        width, height = stream["size"]
        lines = self.make_buffer(name)
        if stream["format"] == "YUV420":
            return lines.reshape(height * 3 // 2, stream["stride"])
        channels = PIXEL_BYTES[stream["format"]]
        whole = lines.reshape(height, stream["stride"])[:, : width * channels]
        return np.ascontiguousarray(whole).reshape(height, width, channels)

    def release(self) -> None:
        if self._released:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._released = True
        for buffer in self._buffers.values():
            buffer[:] = 0
        self._camera.free.release()


class Picamera2:
    """A camera on the connector; ``scene`` is what it sees."""

    connected: ClassVar[list[dict[str, Any]]] = []
    owned: ClassVar[set[int]] = set()
    opened: ClassVar[list[Picamera2]] = []
    scene: Colour = (200, 100, 50)
    stopped_sensor: ClassVar[bool] = False
    metadata: ClassVar[dict[str, Any]] = {}

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return list(cls.connected)

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num >= len(self.connected) or camera_num in self.owned:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.number = camera_num
        self.is_open = True
        self.started = False
        self.configuration: dict[str, Any] | None = None
        self.streams: dict[str, Any] = {}
        self.full_range = False
        self.free = threading.Semaphore(0)
        self.owned.add(camera_num)
        self.opened.append(self)

    def create_video_configuration(
        self,
        main: dict[str, Any] | None = None,
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = None,
        colour_space: ColorSpace | None = None,
        buffer_count: int = 6,
        controls: dict[str, Any] | None = None,
        display: str | None = "main",
        encode: str | None = "main",
    ) -> dict[str, Any]:
        main = {"format": "XBGR8888", "size": (1280, 720), **(main or {})}
        streams: dict[str, Any] = {"main": main, "lores": None, "raw": raw}
        if lores is not None:
            streams["lores"] = {"format": "YUV420", "size": main["size"], **lores}
        for name in (display, encode):
            if name is not None and streams[name] is None:
                raise RuntimeError(f"stream {name} was not defined")
        return {
            **streams,
            "colour_space": colour_space or ColorSpace.Smpte170m(),
            "buffer_count": buffer_count,
            "controls": {"FrameDurationLimits": (33333, 33333), **(controls or {})},
        }

    def configure(self, configuration: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        main, lores = configuration["main"], configuration["lores"]
        if lores is not None:
            if lores["size"][0] > main["size"][0] or lores["size"][1] > main["size"][1]:
                raise RuntimeError("lores stream dimensions may not exceed main stream")
            if lores["format"] != "YUV420":
                raise RuntimeError("lores stream must be YUV")
        self.streams = {"main": padded(main)}
        if lores is not None:
            self.streams["lores"] = padded(lores)
        self.full_range = configuration["colour_space"].full_range
        self.configuration = {**configuration, **self.streams}

    def camera_configuration(self) -> dict[str, Any] | None:
        return self.configuration

    def start(self) -> None:
        if self.configuration is None:
            raise RuntimeError("Camera has not been configured")
        self.started = True
        self.free = threading.Semaphore(self.configuration["buffer_count"])

    def stop(self) -> None:
        self.started = False

    def capture_request(self, wait: float | bool | None = None) -> Request:
        if not self.started:
            raise RuntimeError("Camera is not started")
        assert isinstance(wait, float), "waits for ever where no frame comes"
        time.sleep(0.001)
        if self.stopped_sensor or not self.free.acquire(timeout=0.05):
            raise concurrent.futures.TimeoutError
        stamp = {"SensorTimestamp": time.clock_gettime_ns(time.CLOCK_BOOTTIME)}
        return Request(self, {**stamp, **self.metadata})

    def close(self) -> None:
        self.started = False
        if self.is_open:
            self.is_open = False
            self.owned.discard(self.number)


def install(patch: pytest.MonkeyPatch) -> type[Picamera2]:
    """Make ``import picamera2`` and ``import libcamera`` find the fakes; one camera is there."""

    class Fresh(Picamera2):
        connected: ClassVar[list[dict[str, Any]]] = [{"Model": "imx708", "Id": "/base/imx708@1a"}]
        owned: ClassVar[set[int]] = set()
        opened: ClassVar[list[Picamera2]] = []

    for name, members in (
        ("picamera2", {"Picamera2": Fresh}),
        ("libcamera", {"ColorSpace": ColorSpace}),
    ):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        for member, value in members.items():
            setattr(module, member, value)
        patch.setitem(sys.modules, name, module)
    return Fresh
