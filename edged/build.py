"""From the configuration to objects: the only file that chooses implementations.

Each choice is a plain dict, kind to factory; hardware and heavy libraries are imported inside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edged.cameras.newest import NewestFrame
from edged.cameras.source import Source
from edged.config.schema import CameraConfig, Config
from edged.core import Camera, Sink
from edged.decide import Decider
from edged.mailbox import Mailbox

if TYPE_CHECKING:
    from contextlib import ExitStack

    from edged.gpio.outputs import GpioOutputs
    from edged.inference.tflite import TfliteClassifier

log = logging.getLogger(__name__)


def classifier(config: Config) -> TfliteClassifier:
    """The model, loaded. ModelError."""
    from edged.inference import tflite

    return tflite.load(config.model, fit=config.camera.fit)


def decider(config: Config, model: TfliteClassifier) -> Decider:
    """The rules over this model's labels. ConfigError for a label that the model has not."""
    return Decider(config.rule, config.decide, model.labels)


def _picamera2(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.picamera2 import Picamera2Source

    return Picamera2Source(camera, wanted_px)


def _v4l2(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.v4l2 import V4l2Source

    return V4l2Source(camera, wanted_px)


def _video(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.video import VideoSource

    return VideoSource(camera, wanted_px)


def _gstreamer(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.gstreamer import GStreamerSource

    return GStreamerSource(camera, wanted_px)


def _directory(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.directory import DirectorySource

    return DirectorySource(camera, wanted_px)


def _demo(camera: CameraConfig, wanted_px: tuple[int, int] | None) -> Source:
    from edged.cameras.demo import DemoSource

    return DemoSource(camera, wanted_px)


SOURCES: dict[str, Callable[[CameraConfig, tuple[int, int] | None], Source]] = {
    "picamera2": _picamera2,
    "v4l2": _v4l2,
    "video": _video,
    "gstreamer": _gstreamer,
    "directory": _directory,
    "demo": _demo,
}


def camera(config: CameraConfig, wanted_px: tuple[int, int] | None) -> Camera:
    """The camera; ``wanted_px`` is the (height, width) that is enough for the model."""
    kind = config.kind
    if kind == "auto":
        from edged.cameras.auto import detect

        kind = detect(config)
    return NewestFrame(partial(SOURCES[kind], config, wanted_px), config)
