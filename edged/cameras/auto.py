"""Finds a camera if none is configured."""

from __future__ import annotations

import importlib.util
import logging

from edged.cameras.kinds import CameraKind
from edged.errors import CameraError

log = logging.getLogger(__name__)


def detect() -> CameraKind:
    """The kind of the first camera found: ``picamera2``, else ``v4l2``, else ``demo``.

    It inspects the devices without using them.
    """
    # Checked before the import, which takes a second on a Raspberry Pi.
    if importlib.util.find_spec("picamera2") is not None:
        from edged.cameras.picamera2 import has_camera

        if has_camera():
            log.info("camera found: a Raspberry Pi camera")
            return "picamera2"
    from edged.cameras.v4l2 import first_camera

    try:
        log.info("camera found: %s", first_camera())
    except CameraError as error:
        log.warning("%s; showing the demo instead", error)
        return "demo"
    return "v4l2"
