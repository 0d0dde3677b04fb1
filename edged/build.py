"""From the configuration to objects: the only file that chooses implementations.

Each choice is a plain dict, kind to factory; hardware and heavy libraries are imported inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edged.cameras.newest import NewestFrame
from edged.cameras.source import Source
from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.core import Camera, Port
from edged.errors import CommandError
from edged.mailbox import Mailbox
from edged.paths import control_socket
from edged.perception.rules import Decider
from edged.ports.control.server import ControlSocket
from edged.ports.log import LogPort

if TYPE_CHECKING:
    from edged.inference.modelfile import ModelFile
    from edged.inference.tflite import TfliteClassifier
    from edged.ports.gpio.port import GpioPort
    from edged.ports.mqtt import MqttPort


FIRST_PICTURE_S = 1.0
"""The longest that what the first classification does not need waits for it."""


class Admitted(NamedTuple):
    """A model that may be loaded: how it is set, and the facts that its file holds."""

    settings: ModelConfig
    file: ModelFile


def admitted(config: Config) -> Admitted:
    """The model, out of quarantine, blessed where that is asked for, and read. ModelError."""
    from edged.inference import tflite
    from edged.models.admission import admit

    model = admit(config.model)
    file = tflite.read(model)
    if model.require_blessing:
        from edged.evaluation import blessing

        blessing.check(file.path)
    return Admitted(model, file)


def classifier(config: Config, model: Admitted | None = None) -> TfliteClassifier:
    """The model, loaded: what `admitted` has found, where that was asked before. ModelError."""
    from edged.inference import tflite

    model = model or admitted(config)
    return tflite.load(model.settings, config.camera.fit, model.file)


def decider(config: Config, labels: Sequence[str]) -> Decider:
    """The rules over a model's labels. ConfigError for a label that the model has not."""
    return Decider(config.rule, config.decide, labels)


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
    kind: str = config.kind
    if kind == "auto":
        from edged.cameras.auto import detect

        kind = detect(config)
    return NewestFrame(partial(SOURCES[kind], config, wanted_px), config)


class Ports(msgspec.Struct, frozen=True):
    """The opened ports, and those of them that commands reach by name."""

    all: list[Port]
    gpio: GpioPort | None
    mqtt: MqttPort | None

    def set_output(self, name: object, value: object) -> None:
        """Set an output to a value in 0..1. CommandError."""
        if (
            not isinstance(name, str)
            or isinstance(value, bool)
            or not isinstance(value, int | float)
        ):
            raise CommandError("set-output needs a name and a value in 0..1")
        if self.gpio is None:
            raise CommandError(f"{name!r}: no such output; none is configured")
        self.gpio.set(name, float(value))

    def reconfigure(self, config: Config) -> None:
        """Take over the options that a reload may change."""
        if self.mqtt is not None:
            self.mqtt.reconfigure(config.mqtt)


def ports(config: Config, mailbox: Mailbox, stack: ExitStack, *, live: bool) -> Ports:
    """Open every port that is configured; `stack` closes them in reverse.

    Pins come first, so that they are at their initial level before anything slow happens.
    """
    gpio: GpioPort | None = None
    mqtt: MqttPort | None = None
    opened: list[Port] = []
    if config.output or config.input:
        from edged.ports.gpio.factory import open_factory

        factory = stack.enter_context(open_factory(config.gpio))
        if config.output:
            from edged.ports.gpio.port import GpioPort

            gpio = stack.enter_context(GpioPort(factory, config.output, mailbox))
            opened.append(gpio)
        if config.input:
            from edged.ports.gpio.inputs import GpioInputs

            stack.enter_context(GpioInputs(factory, config.input, mailbox))
    if config.mqtt.enabled:
        from edged.ports.mqtt import MqttPort

        if config.mqtt.embedded:
            from edged.broker import ensure_broker

            stack.enter_context(ensure_broker(config.mqtt.host, config.mqtt.port or 1883))
        mqtt = stack.enter_context(
            MqttPort(
                config.device,
                config.mqtt,
                config.spool,
                mailbox,
                outputs=[output.name for output in config.output],
                head_start_s=FIRST_PICTURE_S,
            )
        )
        opened.append(mqtt)
    if config.control.enabled:
        opened.append(stack.enter_context(ControlSocket(control_socket(config), mailbox)))
    opened.append(stack.enter_context(LogPort()))
    if live:
        from edged.ports.live import LivePort

        broker = (lambda: mqtt.state) if mqtt is not None else (lambda: "mqtt off")
        opened.append(stack.enter_context(LivePort(broker)))
    return Ports(opened, gpio, mqtt)
