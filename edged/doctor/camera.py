"""The camera: whether frames come, and what stands in the way."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edged import access
from edged.cameras.kinds import KINDS, CameraKind, is_address
from edged.config.schema import CameraConfig
from edged.doctor.remedy import parted
from edged.errors import EdgedError
from edged.messages.doctor import Finding

SLOW = 0.8
"""A camera that delivers less than this share of camera.fps is told."""


def running(status: Mapping[str, Any], camera: CameraConfig) -> Iterator[Finding]:
    """What the running daemon, which has the camera, says of it."""
    if error := status["camera_error"]:
        yield Finding("camera", "error", *parted(error))
    elif status["paused"] or status["idle"]:
        yield Finding("camera", "ok", f"{status['camera']}: the daemon is paused or idle")
    elif 0 < status["fps"] < SLOW * camera.fps:
        what = f"{status['camera']}: {status['fps']:.1f} frames a second, {camera.fps:g} wanted"
        is_file = camera.kind != "auto" and KINDS[camera.kind].is_file
        alone = is_file and not is_address(camera.source)
        limit = "the file has no more frames" if alone else "the camera or its light allows no more"
        do = f"if `speed` in `edged doctor --all` is higher, {limit}: lower camera.fps"
        yield Finding("frame-rate", "warning", what, do)
    else:
        yield Finding("camera", "ok", f"{status['camera']}: {status['fps']:.1f} frames a second")


def own(camera: CameraConfig, kind: CameraKind) -> Iterator[Finding]:
    """Open the camera, which no daemon has, and wait for one frame. `kind` is the resolved kind."""
    yield from stack(kind)
    if kind == "demo":
        what = (
            "no camera: the demo's photographs are shown" if camera.kind == "auto" else "the demo"
        )
        do = "connect a camera, or set camera.source"
        yield Finding("camera-demo", "warning" if camera.kind == "auto" else "note", what, do)
        return
    if kind == "v4l2":
        yield from device(Path(camera.source))
    from edged import build

    limit_s = time.monotonic() + camera.start_s
    try:
        with build.camera(camera, None) as opened:
            while opened.read(0.1, None) is None:
                if opened.error is not None or time.monotonic() > limit_s:
                    why = (
                        f"{opened.name}: no frame for {camera.start_s:g} s; check that it is on "
                        "and sends"
                    )
                    yield Finding("camera", "error", *parted(opened.error or why))
                    return
            yield Finding("camera", "ok", f"{opened.name}: a frame came")
    except EdgedError as error:
        yield Finding("camera", "error", *parted(str(error)))


def device(path: Path, root: Path = Path("/")) -> Iterator[Finding]:
    """Whether this user may open the device, and who holds it."""
    if not path.is_absolute() or not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        do = access.advice(path, os.R_OK | os.W_OK)
        yield Finding("camera-permission", "error", f"{path} cannot be opened by this user", do)
    if holders := sorted(_holders(path, root)):
        do = "end that program, or give it another camera"
        what = f"{path} is in use by {', '.join(holders)}"
        yield Finding("camera-busy", "error", what, do)


def stack(kind: CameraKind, root: Path = Path("/")) -> Iterator[Finding]:
    """A Raspberry Pi camera needs libcamera: its V4L2 nodes deliver no finished pictures."""
    names = {
        file.read_text(errors="replace").strip()
        for file in (root / "sys/class/video4linux").glob("video*/name")
    }
    sensors = [name for name in names if any(name.startswith(one) for one in _SENSOR_NODES)]
    if sensors and kind in ("v4l2", "demo") and importlib.util.find_spec("picamera2") is None:
        do = 'install it (sudo apt install python3-picamera2) and set camera.kind = "picamera2"'
        what = "a Raspberry Pi camera is connected, but picamera2 is not installed for this Python"
        yield Finding("camera-stack", "error" if kind == "v4l2" else "warning", what, do)


_SENSOR_NODES = ("unicam", "rp1-cfe")
"""Nodes that exist only where a sensor is connected: those of a Raspberry Pi up to 4, and of 5."""


def _holders(path: Path, root: Path) -> Iterator[str]:
    real = os.path.realpath(path)
    for descriptor in (root / "proc").glob("[0-9]*/fd/*"):
        try:
            held = os.path.realpath(descriptor)
            pid = descriptor.parts[-3]
            if held == real and int(pid) != os.getpid():
                name = (descriptor.parent.parent / "comm").read_text().strip()
                yield f"{name} (process {pid})"
        except OSError:
            continue
