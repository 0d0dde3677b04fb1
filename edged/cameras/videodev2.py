"""The kernel's Video4Linux2 interface, as far as capturing from a camera needs it.

Structures, constants and numbers of requests are those of <linux/videodev2.h>; only single-planar
capture into memory that the driver owns is here, which is what USB cameras do.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import math
import mmap
import os
import select
import time
from collections.abc import Iterator
from ctypes import Structure, Union, c_char, c_int32, c_long, c_uint8, c_uint32, c_ulong, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from edged.printable import printable

CAPTURE, MMAP = 1, 1
"""V4L2_BUF_TYPE_VIDEO_CAPTURE and V4L2_MEMORY_MMAP."""

CAN_CAPTURE, CAN_STREAM, HAS_DEVICE_CAPS = 0x1, 0x04000000, 0x80000000

ERROR = 0x40
TIMESTAMP_MASK, TIMESTAMP_MONOTONIC = 0xE000, 0x2000
"""Flags of a buffer."""

_STOPPED_S = 0.01

_DISCRETE = 1
_NO_MORE = (errno.EINVAL, errno.ENOTTY, errno.ENODATA, errno.EPIPE)
"""What drivers say at the end of a list."""

_LONGEST = 128
"""No list is longer; some drivers begin theirs again."""

_PARTS = 1000
"""Frame rates are asked for in thousandths."""


class Capability(Structure):
    driver: bytes
    card: bytes
    capabilities: int
    device_caps: int
    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(Structure):
    index: int
    type: int
    pixelformat: int
    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class PixelFormat(Structure):
    """A line has ``bytesperline`` bytes, 0 where that has no meaning."""

    width: int
    height: int
    pixelformat: int
    bytesperline: int
    _fields_ = tuple(
        (name, c_uint32)
        for name in (
            *("width", "height", "pixelformat", "field", "bytesperline", "sizeimage"),
            *("colorspace", "priv", "flags", "ycbcr_enc", "quantization", "xfer_func"),
        )
    )


class _FormatUnion(Union):
    # Another member, which is not needed here, has pointers.
    _fields_ = (("pix", PixelFormat), ("raw", c_uint8 * 200), ("aligned", c_void_p))


class Format(Structure):
    type: int
    fmt: Any
    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class Fraction(Structure):
    numerator: int
    denominator: int
    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class FrameInterval(Structure):
    """The seconds of a frame: one value, or the first of least, most and step."""

    index: int
    pixel_format: int
    width: int
    height: int
    type: int
    least: Fraction
    most: Fraction
    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("least", Fraction),
        ("most", Fraction),
        ("step", Fraction),
        ("reserved", c_uint32 * 2),
    )


class _CaptureParameters(Structure):
    _fields_ = (
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fraction),
        ("extendedmode", c_uint32),
        ("readbuffers", c_uint32),
        ("reserved", c_uint32 * 4),
    )


class _ParametersUnion(Union):
    _fields_ = (("capture", _CaptureParameters), ("raw", c_uint8 * 200))


class Parameters(Structure):
    type: int
    parm: Any
    _fields_ = (("type", c_uint32), ("parm", _ParametersUnion))


class RequestBuffers(Structure):
    count: int
    type: int
    memory: int
    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class _Time(Structure):
    _fields_ = (("seconds", c_long), ("microseconds", c_long))


class _Place(Union):
    _fields_ = (("offset", c_uint32), ("userptr", c_ulong), ("planes", c_void_p), ("fd", c_int32))


class Buffer(Structure):
    index: int
    type: int
    bytesused: int
    flags: int
    timestamp: Any
    sequence: int
    memory: int
    m: Any
    length: int
    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp", _Time),
        ("timecode", c_uint8 * 16),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", _Place),
        ("length", c_uint32),
        ("reserved", c_uint32 * 2),
    )


def _request(direction: int, number: int, argument: type[Any]) -> int:
    """<asm-generic/ioctl.h>: 1 for what the kernel reads, 2 for what it writes."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


class Request(IntEnum):
    """The ``VIDIOC_`` numbers."""

    QUERYCAP = _request(2, 0, Capability)
    ENUM_FMT = _request(3, 2, FormatDescription)
    S_FMT = _request(3, 5, Format)
    REQBUFS = _request(3, 8, RequestBuffers)
    QUERYBUF = _request(3, 9, Buffer)
    QBUF = _request(3, 15, Buffer)
    DQBUF = _request(3, 17, Buffer)
    STREAMON = _request(1, 18, c_int32)
    STREAMOFF = _request(1, 19, c_int32)
    S_PARM = _request(3, 22, Parameters)
    ENUM_FRAMEINTERVALS = _request(3, 75, FrameInterval)


class Frame(NamedTuple):
    """A copy of what the driver put into a buffer; ``stamp_s`` is 0.0 from one that has no clock.

    It is ``time.monotonic()`` seconds if the ``flags`` say so.
    """

    data: bytes
    flags: int
    stamp_s: float


class Device:
    """An opened ``/dev/video*``. What the kernel refuses is an OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._maps: list[mmap.mmap] = []
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Also where frames are being captured: with the last descriptor and map, that ends."""
        self._unmap()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def capability(self) -> Capability:
        """Driver, name and abilities; ``device_caps`` are those of this node."""
        found = Capability()
        self._ioctl(Request.QUERYCAP, found)
        if not found.capabilities & HAS_DEVICE_CAPS:
            found.device_caps = found.capabilities
        return found

    def formats(self) -> Iterator[int]:
        """The FourCC of each pixel format."""
        for index in range(_LONGEST):
            description = FormatDescription(index=index, type=CAPTURE)
            if not self._has(Request.ENUM_FMT, description):
                break
            yield description.pixelformat

    def most_fps(self, pixelformat: int, width_px: int, height_px: int) -> float:
        """The highest rate of frames of this format and size; infinite where it is not known."""
        rates = []
        for index in range(_LONGEST):
            interval = FrameInterval(index, pixelformat, width_px, height_px)
            try:
                if not self._has(Request.ENUM_FRAMEINTERVALS, interval):
                    break
            except OSError as error:
                if error.errno == errno.ENODEV:
                    raise
                return math.inf
            rates.append(_fps(interval.least))
            if interval.type != _DISCRETE:
                # Some drivers take the one for the other.
                rates.append(_fps(interval.most))
                break
        return max(rates, default=math.inf)

    def set_format(self, pixelformat: int, width_px: int, height_px: int) -> PixelFormat:
        """Ask for a format; the one that the driver gives, which may be another."""
        wanted = Format(type=CAPTURE)
        pix = wanted.fmt.pix
        pix.pixelformat, pix.width, pix.height = pixelformat, width_px, height_px
        self._ioctl(Request.S_FMT, wanted)
        given: PixelFormat = wanted.fmt.pix
        return given

    def set_fps(self, fps: float) -> None:
        """Ask for a frame rate; the driver takes the nearest that it has."""
        wanted = Parameters(type=CAPTURE)
        interval = wanted.parm.capture.timeperframe
        interval.numerator, interval.denominator = _PARTS, round(fps * _PARTS)
        self._ioctl(Request.S_PARM, wanted)

    def start(self, count: int) -> None:
        """Capture into `count` buffers, or as many as the driver makes of it."""
        wanted = self._buffers(count)
        if not wanted.count:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        for index in range(wanted.count):
            buffer = Buffer(index=index, type=CAPTURE, memory=MMAP)
            self._ioctl(Request.QUERYBUF, buffer)
            self._maps.append(self._map(buffer.length, buffer.m.offset))
            self._ioctl(Request.QBUF, buffer)
        self._ioctl(Request.STREAMON, c_int32(CAPTURE))

    def stop(self) -> None:
        """End capturing, and give the buffers back, as far as the kernel takes part in it."""
        try:
            self._ioctl(Request.STREAMOFF, c_int32(CAPTURE))
        finally:
            # While one is mapped, the kernel keeps the number of a camera that was unplugged.
            self._unmap()
        self._buffers(0)

    def newest(self, timeout_s: float) -> Frame | None:
        """Wait for a frame; of several, the newest. None if none comes."""
        if not self._poll.poll(1e3 * timeout_s):
            return None
        buffer = None
        for _ in self._maps:
            newer = Buffer(type=CAPTURE, memory=MMAP)
            try:
                self._ioctl(Request.DQBUF, newer)
            except BlockingIOError:
                break
            if buffer is not None:
                self._ioctl(Request.QBUF, buffer)
            buffer = newer
        if buffer is None:
            # A driver that has stopped wakes everybody all the time.
            time.sleep(_STOPPED_S)
            return None
        stamp = buffer.timestamp
        frame = Frame(
            self._maps[buffer.index][: buffer.bytesused],
            buffer.flags,
            stamp.seconds + stamp.microseconds * 1e-6,
        )
        self._ioctl(Request.QBUF, buffer)
        return frame

    def _buffers(self, count: int) -> RequestBuffers:
        request = RequestBuffers(count=count, type=CAPTURE, memory=MMAP)
        self._ioctl(Request.REQBUFS, request)
        return request

    def _has(self, request: Request, argument: Structure) -> bool:
        """Whether a list of the driver goes on; one that it does not have is empty."""
        try:
            self._ioctl(request, argument)
        except OSError as error:
            if error.errno in _NO_MORE:
                return False
            raise
        return True

    def _ioctl(self, request: Request, argument: Any) -> None:
        fcntl.ioctl(self._fd, request, argument)

    def _map(self, length: int, offset: int) -> mmap.mmap:
        return mmap.mmap(self._fd, length, offset=offset)

    def _unmap(self) -> None:
        while self._maps:
            self._maps.pop().close()


def fourcc(pixelformat: int) -> str:
    """Its four characters, printable and without blanks at the end."""
    return printable(pixelformat.to_bytes(4, "little").decode("ascii", "replace").strip())


def _fps(interval: Fraction) -> float:
    """Infinite where the driver does not know."""
    known = interval.numerator and interval.denominator
    return interval.denominator / interval.numerator if known else math.inf
