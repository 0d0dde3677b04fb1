"""A kernel with V4L2 cameras.

Stands in for ioctl(2) and mmap(2) on a device and keeps the rules of the V4L2 specification that
a capturing program depends on: formats only before buffers, frames only into queued buffers,
what is not dequeued in time is dropped, buffers freed only when unmapped. The device file is a
FIFO that holds one byte for each filled buffer, so that select(2) on it is real.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from edged.cameras import videodev2

STREAMING_CAPTURE = 0x04000001
OVERLAY = 0x00000004
METADATA = 0x04800000
READ_ONLY = 0x01000001
MONOTONIC = 0x2000
ERROR = 0x40


def fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def fourcc(text: str) -> int:
    return int.from_bytes(text.encode(), "little")


class FakeCamera:
    """One ``/dev/video*``. ``formats`` maps a FourCC to its sizes and their frame rates.

    ``refuses`` maps the name of an ioctl to the errno that it fails with.
    """

    def __init__(
        self,
        path: Path,
        formats: dict[str, dict[tuple[int, int], float]],
        *,
        card: str = "Fake Camera",
        driver: str = "uvcvideo",
        capabilities: int = STREAMING_CAPTURE,
        padding_bytes: int = 0,
    ) -> None:
        self.path = path
        self.fps: float | None = None
        self.busy = False
        self.refuses: dict[str, int] = {}
        self.unplugged = False
        self.sequence = 0
        self.maps: list[mmap.mmap] = []
        self.streaming = False
        self.most_buffers = 32
        self.at_the_end = errno.EINVAL
        self.begins_again = False
        self.format = (16, 16, "")
        self._formats = formats
        self._card = card
        self._driver = driver
        self._capabilities = capabilities
        self._padding_bytes = padding_bytes
        self._buffers = 0
        self._queued: list[int] = []
        self._done: list[tuple[int, int, float, int, int]] = []
        os.mkfifo(path)
        self._signal = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def expose(self, data: bytes, at_s: float = 0.0, flags: int = MONOTONIC) -> None:
        """The sensor has a frame: it goes into a queued buffer, or it is lost."""
        number, self.sequence = self.sequence, self.sequence + 1
        if not self.streaming or not self._queued:
            return
        index = self._queued.pop(0)
        self.maps[index][: len(data)] = data
        self._done.append((index, number, at_s, flags, len(data)))
        os.write(self._signal, b"f")

    def unplug(self) -> None:
        self.unplugged = True
        self.path.unlink()
        os.write(self._signal, b"x")

    def close(self) -> None:
        os.close(self._signal)

    @property
    def mapped(self) -> int:
        """How many buffers a program still has in its memory."""
        return sum(not memory.closed for memory in self.maps)

    def map(self, length: int) -> mmap.mmap:
        self.maps.append(mmap.mmap(-1, length))
        return self.maps[-1]

    def ioctl(self, request: videodev2.Request, argument: Any) -> None:
        if self.unplugged:
            raise fail(errno.ENODEV)
        if request.name in self.refuses:
            raise fail(self.refuses[request.name])
        handler = getattr(self, f"_{request.name.lower()}", None)
        if handler is None:
            raise fail(errno.ENOTTY)
        handler(argument)

    def _querycap(self, capability: Any) -> None:
        capability.driver = self._driver.encode()
        capability.card = self._card.encode()
        capability.capabilities = self._capabilities | 0x80000000
        capability.device_caps = self._capabilities

    def _enum_fmt(self, description: Any) -> None:
        types = (1, 3) if self._capabilities & OVERLAY else (1,)
        index = description.index % len(self._formats) if self.begins_again else description.index
        if description.type not in types or index >= len(self._formats):
            raise fail(self.at_the_end)
        description.pixelformat = fourcc(list(self._formats)[index])

    def _enum_frameintervals(self, interval: Any) -> None:
        name = interval.pixel_format.to_bytes(4, "little").decode()
        fps = self._formats[name].get((interval.width, interval.height))
        if fps is None or (interval.index > 0 and not self.begins_again):
            raise fail(self.at_the_end)
        interval.type = 1
        interval.least.numerator = 100
        interval.least.denominator = round(fps * 100)

    def _s_fmt(self, request: Any) -> None:
        if self.busy or self._buffers:
            raise fail(errno.EBUSY)
        pix = request.fmt.pix
        name = pix.pixelformat.to_bytes(4, "little").decode()
        if name not in self._formats:
            name = next(iter(self._formats))
        width, height = min(
            self._formats[name],
            key=lambda size: abs(size[0] - pix.width) + abs(size[1] - pix.height),
        )
        self.format = (width, height, name)
        pixel_bytes = {"YUYV": 2, "RGB3": 3, "MJPG": 0}.get(name, 1)
        pix.width, pix.height, pix.pixelformat = width, height, fourcc(name)
        pix.bytesperline = width * pixel_bytes + self._padding_bytes if pixel_bytes else 0
        pix.sizeimage = max(pix.bytesperline * height * 3 // 2, width * height * 2)

    def _s_parm(self, parameters: Any) -> None:
        interval = parameters.parm.capture.timeperframe
        self.fps = interval.denominator / interval.numerator

    def _reqbufs(self, request: Any) -> None:
        if self.busy or self.mapped or (request.count and self._buffers):
            raise fail(errno.EBUSY)
        self.maps.clear()
        self._queued.clear()
        request.count = min(request.count, self.most_buffers)
        self._buffers = request.count

    def _querybuf(self, buffer: Any) -> None:
        if buffer.index >= self._buffers:
            raise fail(errno.EINVAL)
        width, height, _ = self.format
        buffer.length = (width + self._padding_bytes) * height * 3
        buffer.m.offset = buffer.index * 4096

    def _qbuf(self, buffer: Any) -> None:
        if buffer.index >= self._buffers or buffer.index in self._queued:
            raise fail(errno.EINVAL)
        self._queued.append(buffer.index)

    def _dqbuf(self, buffer: Any) -> None:
        if not self.streaming:
            raise fail(errno.EINVAL)
        if not self._done:
            raise fail(errno.EAGAIN)
        os.read(self._signal, 1)
        buffer.index, buffer.sequence, at_s, buffer.flags, buffer.bytesused = self._done.pop(0)
        stamp = buffer.timestamp
        stamp.seconds, stamp.microseconds = divmod(round(at_s * 1e6), 1_000_000)

    def _streamon(self, argument: Any) -> None:
        if not self._buffers:
            raise fail(errno.EINVAL)
        self.streaming = True

    def _streamoff(self, argument: Any) -> None:
        self.streaming = False
        self._done.clear()


class FakeKernel:
    """The cameras of a machine, under a folder that stands for /dev."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._cameras: dict[str, FakeCamera] = {}
        kernel = self

        def ioctl(device: videodev2.Device, request: videodev2.Request, argument: Any) -> None:
            kernel._camera(device).ioctl(request, argument)

        def map_(device: videodev2.Device, length: int, _offset: int) -> mmap.mmap:
            return kernel._camera(device).map(length)

        patch.setattr(videodev2.Device, "_ioctl", ioctl)
        patch.setattr(videodev2.Device, "_map", map_)

    def plug(
        self, number: int, formats: dict[str, dict[tuple[int, int], float]], **details: Any
    ) -> FakeCamera:
        camera = FakeCamera(self.folder / f"video{number}", formats, **details)
        self._cameras[str(camera.path)] = camera
        return camera

    def close(self) -> None:
        for camera in self._cameras.values():
            camera.close()

    def _camera(self, device: videodev2.Device) -> FakeCamera:
        camera = self._cameras.get(str(device.path))
        if camera is None:
            raise fail(errno.ENOTTY)
        return camera
