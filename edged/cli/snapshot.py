"""``edged snapshot``."""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edged.cli.daemon_socket import configured, running_daemon
from edged.cli.output import write_file
from edged.config.schema import Config
from edged.errors import CameraError, UsageError
from edged.ports.control.client import DaemonAbsentError
from edged.printable import printable

TOP = 3
"""The number of printed classes."""


def run(arguments: argparse.Namespace) -> int:
    """From the running daemon if one answers, else from the camera itself.

    ``--set camera...`` refers to a camera other than the daemon's.
    """
    if arguments.out is not None and arguments.out.suffix.lower() not in ("", ".jpg", ".jpeg"):
        raise UsageError(f"{printable(arguments.out)}: the picture is a JPEG; name it FILE.jpg")
    if any(override.strip().startswith("camera.") for override in arguments.overrides):
        seen, picture = _own_snapshot(configured(arguments))
    else:
        seen, picture = _snapshot(arguments)
    if arguments.out is not None:
        write_file(arguments.out, picture)
    if arguments.json:
        print(json.dumps(seen, ensure_ascii=False))
        return 0
    print("; ".join(f"{best['score']:.1%} {best['label']}" for best in seen["results"]))
    if arguments.out is not None:
        print(f"written to {printable(arguments.out)}")
    return 0


def _snapshot(arguments: argparse.Namespace) -> tuple[dict[str, Any], bytes]:
    try:
        reply, picture = running_daemon(arguments).ask("snapshot")
    except DaemonAbsentError:
        return _own_snapshot(configured(arguments))
    return reply["classification"], picture


@contextmanager
def silence(log: logging.Logger) -> Iterator[None]:
    """Silence a camera whose error is raised: its log line would announce a retry."""
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _own_snapshot(config: Config) -> tuple[dict[str, Any], bytes]:
    from edged import build
    from edged.imaging.snapshot import snapshot_jpeg
    from edged.messages.message import Moment, encoded
    from edged.messages.results import classification

    with build.perception(config) as perception, silence(logging.getLogger("edged.cameras")):
        wanted_px = perception.wanted_px
        give_up_s = time.monotonic() + config.camera.start_s
        with build.camera(config.camera, wanted_px) as camera:
            while (frame := camera.read(0.1, wanted_px)) is None:
                if camera.error is not None or time.monotonic() > give_up_s:
                    silent = f"{camera.name}: no frame within {config.camera.start_s:g} s; check "
                    silent += "that it is on and sends frames, or raise camera.first_frame_s"
                    raise CameraError(camera.error or silent)
            result = perception.decide(frame)
            at = Moment.now(config.device, time.monotonic, time.time)
            # The camera's process, which decodes the whole picture, ends with the camera.
            picture = snapshot_jpeg(result, at)
    seen: dict[str, Any] = json.loads(encoded(classification(result, TOP, at)))
    return seen, picture
