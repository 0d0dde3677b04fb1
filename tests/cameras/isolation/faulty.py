"""A camera's process whose camera has a fault on demand.

``python -m tests.cameras.isolation.faulty FILE`` is otherwise as ``python -m
edged.cameras.isolation``. What stands in the file is the fault of the moment; one that ends the
process takes itself away first.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edged.cameras.isolation import child
from edged.cameras.kinds import KINDS, Kind
from edged.cameras.source import Capture
from edged.cameras.stamps import Stamps
from edged.core import Pixels
from edged.errors import CameraError
from edged.imaging.picture import decode_jpeg, jpeg, read_picture
from edged.imaging.resample import resample

FAULTS = (
    "none", "segfault", "segfault in a decoder", "hang", "hang in a decoder", "abort", "frozen",
    "black", "silent", "fast", "clock back", "other size", "unplugged", "bug", "chatter", "damaged",
)  # fmt: skip

ONCE = {"segfault", "segfault in a decoder", "hang", "hang in a decoder", "abort", "bug"}
"""What the next process does not have any more."""

PICTURE = Path(__file__).parents[2] / "pictures" / "cat.jpg"


class Switch:
    """The fault of the moment, in a file that processes share."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    @property
    def fault(self) -> str:
        return FAULTS[self._bytes[0]]

    @fault.setter
    def fault(self, fault: str) -> None:
        self._bytes[0] = FAULTS.index(fault)


class FaultySource:
    """A live camera of JPEG frames, each of which differs from the one before."""

    switch: Switch
    picture: Pixels

    def __init__(self, camera: Any, sleep: Callable[[float], None]) -> None:
        self.name = "faulty"
        self._camera = camera
        self._sleep = sleep
        self._stamps = Stamps(self.name, camera.timeout_s)
        self._number = 0

    def __enter__(self) -> FaultySource:
        if self.switch.fault == "unplugged":
            raise CameraError("faulty: no such device; plug it in")
        scaled = np.empty((self._camera.height_px, self._camera.width_px, 3), np.uint8)
        resample(self.picture, scaled)
        self._frames = [jpeg(np.roll(scaled, shift, axis=1), 85) for shift in range(4)]
        self._smaller = [jpeg(np.ascontiguousarray(scaled[::2, ::2]), 85)]
        self._black = [jpeg(np.zeros_like(scaled), 85)]
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def grab(self) -> Capture:
        fault = self.switch.fault
        if fault == "silent":
            self._sleep(self._camera.timeout_s)
            raise CameraError(f"faulty: no frame for {self._camera.timeout_s:g} s; check its cable")
        self._sleep(1 / (500.0 if fault == "fast" else self._camera.fps))
        if fault in ONCE and "decoder" not in fault:
            self.switch.fault = "none"
            misbehave(fault)
        if fault == "unplugged":
            raise CameraError("faulty: it is gone; plug it in again")
        if fault == "chatter":
            os.write(2, b"[h264 @ 0x55] error while decoding MB 12 34\n" * 100)
        self._number += fault != "frozen"
        frames = {"other size": self._smaller, "black": self._black}.get(fault, self._frames)
        data = frames[self._number % len(frames)]
        now_s = time.monotonic()
        stamp_s = now_s - 3600.0 if fault == "clock back" else now_s - 0.001
        captured_s, doubt = self._stamps.trusted(stamp_s, now_s)
        return Capture(captured_s, partial(self._decode, data), reduces=True, doubt=doubt)

    def _decode(self, data: bytes, least_px: tuple[int, int] | None) -> Pixels:
        fault = self.switch.fault
        if fault == "damaged":
            raise CameraError("faulty: damaged JPEG frame; check the cable")
        if fault in ONCE and "decoder" in fault:
            self.switch.fault = "none"
            misbehave(fault)
        return decode_jpeg(data, "faulty", least_px)


def misbehave(fault: str) -> None:
    match fault.split()[0]:
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "hang":
            # With the interpreter's lock held, as a driver's call may be: no thread goes on.
            ctypes.PyDLL(None).sleep(3600)
        case "bug":
            raise KeyError("a bug in a source")


def main() -> int:
    FaultySource.switch = Switch(Path(sys.argv[1]))
    # Out of reach later.
    FaultySource.picture = read_picture(PICTURE)
    module = ModuleType("edged.cameras.faulty")
    module.FaultySource = FaultySource  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    KINDS["v4l2"] = Kind("faulty", "FaultySource")  # type: ignore[index]
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    return child.main()


if __name__ == "__main__":
    sys.exit(main())
