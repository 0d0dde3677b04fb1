"""Pictures of what the camera sees now: from the running daemon, or with the camera of our own."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from contextlib import closing

from edged.cli.daemon_socket import configured, running_daemon
from edged.config.schema import Config
from edged.core import Pixels
from edged.errors import CameraError
from edged.ports.control.client import DaemonAbsentError

SIDE_PX = 1920
"""The longer side of a picture from the daemon, at most."""


def shots(arguments: argparse.Namespace, count: int, every_s: float) -> Iterator[Pixels]:
    """`count` pictures, `every_s` apart or more. CameraError."""
    try:
        yield from _from_daemon(arguments, count, every_s)
    except DaemonAbsentError:
        yield from _from_camera(configured(arguments), count, every_s)


def _from_daemon(arguments: argparse.Namespace, count: int, every_s: float) -> Iterator[Pixels]:
    from edged.ports.control.shared import Place, SharedReader

    wanted = {"pictures": "all", "side_px": SIDE_PX, "rate_hz": min(1.0 / every_s, 1000.0)}
    with running_daemon(arguments).following(**wanted) as (messages, descriptors):
        if not descriptors:
            raise CameraError("the daemon has no memory to hand pictures over in; free some")
        with closing(SharedReader(descriptors[0], SIDE_PX)) as reader:
            for message in messages:
                if message["type"] != "shared":
                    continue
                place = Place(message["sequence"], message["height_px"], message["width_px"])
                if (pixels := reader.get(place)) is not None:
                    yield pixels
                    count -= 1
                if not count:
                    return


def _from_camera(config: Config, count: int, every_s: float) -> Iterator[Pixels]:
    from edged import build

    # It would say that it tries again, which nothing does.
    log = logging.getLogger("edged.cameras")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with build.camera(config.camera, None) as camera:
            next_s = 0.0
            give_up_s = time.monotonic() + config.camera.start_s
            while count:
                frame = camera.read(0.1, None)
                if frame is not None and frame.captured_s >= next_s:
                    yield frame.pixels
                    count -= 1
                    next_s = frame.captured_s + every_s
                    give_up_s = time.monotonic() + every_s + config.camera.timeout_s
                elif camera.error is not None or time.monotonic() > give_up_s:
                    silent = f"{camera.name}: no frame came; check that it is on and sends"
                    raise CameraError(camera.error or silent)
    finally:
        log.setLevel(level)
