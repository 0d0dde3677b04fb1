"""From the configuration to objects: the only file that chooses implementations.

Each choice is a plain dict, kind to factory; hardware and heavy libraries are imported inside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.source import Source
from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.core import Camera, OutputState, Port
from edged.errors import CommandError
from edged.journal.journal import Journal
from edged.journal.paths import journal_path
from edged.mailbox import Mailbox
from edged.paths import control_socket
from edged.perception.perception import Perception
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
    """A model that may be loaded: how it is set, the facts that its file holds, which file it is.

    ``stamp`` changes when the file is replaced or written again.
    """

    settings: ModelConfig
    file: ModelFile
    stamp: tuple[int, ...]


def admitted(config: Config) -> Admitted:
    """The model, out of quarantine, and read. ModelError."""
    from edged.inference import tflite
    from edged.models.admission import admit

    model = admit(config.model)
    file = tflite.read(model)
    labels = [Path(model.labels)] if model.labels else []
    return Admitted(model, file, stamp(file.path, *labels))


def stamp(*paths: Path) -> tuple[int, ...]:
    """What tells one content of these files from another, without reading them."""
    stamps: list[int] = []
    for path in paths:
        # Loading says best what is wrong with a file.
        with suppress(OSError):
            found = path.stat()
            stamps += (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return tuple(stamps)


def classifier(config: Config, model: Admitted | None = None) -> TfliteClassifier:
    """The model, loaded, and blessed where that is asked for; ModelError.

    `model` is what `admitted` has found, where that was asked before.
    """
    from edged.inference import tflite

    model = model or admitted(config)
    loaded = tflite.load(model.settings, config.camera.fit, model.file)
    if model.settings.require_blessing:
        from edged.evaluation import blessing

        with ExitStack() as unless_blessed:
            unless_blessed.push(loaded)
            blessing.check(loaded.path, loaded.preprocessing)
            unless_blessed.pop_all()
    return loaded


def perception(
    config: Config, model: Admitted | None = None, keep: Perception | None = None
) -> Perception:
    """The model and the rules over its labels; with the model of `keep`, where that is given.

    ModelError, or ConfigError for a label that the model has not.
    """
    if keep is not None:
        return keep.with_rules(Decider(config.rule, config.decide, keep.labels))
    loaded = classifier(config, model)
    with ExitStack() as unless_made:
        unless_made.push(loaded)
        made = Perception(loaded, Decider(config.rule, config.decide, loaded.labels))
        unless_made.pop_all()
    return made


Sleep: TypeAlias = Callable[[float], None]


def _picamera2(camera: CameraConfig, _sleep: Sleep) -> Source:
    from edged.cameras.picamera2 import Picamera2Source

    return Picamera2Source(camera)


def _v4l2(camera: CameraConfig, sleep: Sleep) -> Source:
    from edged.cameras.v4l2 import V4l2Source

    return V4l2Source(camera, sleep=sleep)


def _video(camera: CameraConfig, sleep: Sleep) -> Source:
    from edged.cameras.video import VideoSource

    return VideoSource(camera, sleep=sleep)


def _gstreamer(camera: CameraConfig, sleep: Sleep) -> Source:
    from edged.cameras.gstreamer import GStreamerSource

    return GStreamerSource(camera, sleep=sleep)


def _directory(camera: CameraConfig, sleep: Sleep) -> Source:
    from edged.cameras.directory import DirectorySource

    return DirectorySource(camera, sleep=sleep)


def _demo(camera: CameraConfig, sleep: Sleep) -> Source:
    from edged.cameras.demo import DemoSource

    return DemoSource(camera, sleep=sleep)


SOURCES: dict[str, Callable[[CameraConfig, Sleep], Source]] = {
    "picamera2": _picamera2,
    "v4l2": _v4l2,
    "video": _video,
    "gstreamer": _gstreamer,
    "directory": _directory,
    "demo": _demo,
}


def camera(config: CameraConfig, wanted_px: tuple[int, int] | None) -> Camera:
    """The camera; `wanted_px` is the (height, width) that is enough until a read says another."""
    kind: str = config.kind
    if kind == "auto":
        from edged.cameras.auto import detect

        kind = detect(config)
    closing = threading.Event()
    make_source = partial(SOURCES[kind], config, sleep_until(closing))
    return NewestFrame(make_source, config, wanted_px, closing=closing)


class Ports:
    """The ports that are configured, opened in the order in which reports reach them."""

    def __init__(self, stack: ExitStack) -> None:
        """`stack` closes them in reverse."""
        self.all: list[Port] = []
        self.gpio: GpioPort | None = None
        self.mqtt: MqttPort | None = None
        self._stack = stack

    def open_pins(self, config: Config, mailbox: Mailbox, written_down: Path) -> None:
        """First of all, so that pins are at their initial level before anything slow happens.

        Which outputs these are is `written_down`, for `edged safe-outputs`.
        """
        if not (config.output or config.input):
            # Of an earlier configuration, whose outputs are nobody's any more.
            written_down.unlink(missing_ok=True)
            return
        from edged.ports.gpio import opened
        from edged.ports.gpio.factory import open_factory
        from edged.ports.gpio.port import GpioPort

        outputs = opened.OpenedOutputs(config.gpio, config.output)
        self._stack.enter_context(opened.written(written_down, outputs))
        pins = partial(open_factory, config.gpio)
        self.gpio = GpioPort(pins, config.output, config.input, mailbox, self._output_changed)
        self.all.append(self._stack.enter_context(self.gpio))

    def open_others(
        self, config: Config, journal: Journal, mailbox: Mailbox, *, live: bool
    ) -> None:
        """All that is not pins."""
        if config.mqtt.enabled:
            self._open_mqtt(config, journal, mailbox)
        if config.control.enabled:
            socket = ControlSocket(control_socket(config), config.device, mailbox)
            self.all.append(self._stack.enter_context(socket))
        self.all.append(self._stack.enter_context(LogPort()))
        if live:
            from edged.ports.live import LivePort

            mqtt = self.mqtt
            broker = (lambda: mqtt.state) if mqtt is not None else (lambda: "mqtt off")
            self.all.append(self._stack.enter_context(LivePort(broker)))
        if self.gpio is not None:
            self.gpio.tell_all()

    def set_output(self, name: str, value: float) -> float:
        """Set an output to a value in 0..1; the value that it has then. CommandError."""
        if self.gpio is None:
            raise CommandError(f"{name!r}: no such output; none is configured")
        return self.gpio.set(name, value)

    def output_values(self) -> dict[str, float]:
        """What each output has."""
        return self.gpio.values() if self.gpio is not None else {}

    def broker_problems(self) -> list[str]:
        """What the broker refuses or lacks."""
        return self.mqtt.problems() if self.mqtt is not None else []

    def pins_error(self) -> str | None:
        """Why a pin is not as it should be; None where all are."""
        return self.gpio.error if self.gpio is not None else None

    def sensed(self) -> bool:
        """Whether an input that wakes is active now."""
        return self.gpio is not None and self.gpio.sensed()

    def release_pins(self) -> None:
        """Outputs to their safe level, before anything else ends."""
        if self.gpio is not None:
            self.gpio.release()

    def reconfigure(self, config: Config) -> None:
        """Take over the options that a reload may change."""
        if self.mqtt is not None:
            self.mqtt.reconfigure(config.mqtt)

    def _open_mqtt(self, config: Config, journal: Journal, mailbox: Mailbox) -> None:
        from edged.ports.mqtt import MqttPort

        if config.mqtt.embedded:
            from edged.broker import ensure_broker

            broker = ensure_broker(config.mqtt.host, config.mqtt.port or 1883)
            self._stack.enter_context(broker)
        memory = None
        if config.journal.max_events:
            events = journal_path(config.journal, config.device)
            memory = events.with_name(f"{events.name}.mqtt")
        self.mqtt = MqttPort(
            config.device,
            config.mqtt,
            journal,
            mailbox,
            outputs=[output.name for output in config.output],
            memory=memory,
            head_start_s=FIRST_PICTURE_S,
        )
        self.all.append(self._stack.enter_context(self.mqtt))

    def _output_changed(self, state: OutputState) -> None:
        for port in self.all:
            if port is not self.gpio:
                port.write(state)
