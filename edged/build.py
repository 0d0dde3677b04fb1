"""From the configuration to objects: the only file that chooses implementations.

Each choice is a plain dict, kind to factory; hardware and heavy libraries are imported inside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edged.cameras.kinds import KINDS
from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.source import Source
from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.core import Camera, OutputState, Port
from edged.journal.journal import Journal
from edged.journal.paths import beside_journal
from edged.mailbox import Mailbox
from edged.paths import control_socket
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.ports.control.server import ControlSocket
from edged.ports.log import LogPort
from edged.ports.mqtt.topics import Topics

if TYPE_CHECKING:
    from edged.inference.modelfile import ModelFile
    from edged.inference.tflite import TfliteClassifier
    from edged.ports.gpio.port import GpioPort
    from edged.ports.mqtt import MqttPort
    from edged.ports.webhook import WebhookPort
    from edged.why.port import WhyPort


FIRST_PICTURE_S = 1.0
"""The longest that what the first classification does not need waits for it."""


class Admitted(NamedTuple):
    """A model that may be loaded: how it is set, the facts that its file holds, which file it is.

    ``stamp`` changes when the file is replaced or written again.
    """

    settings: ModelConfig
    file: ModelFile
    stamp: tuple[int, ...]

    def sha256(self) -> str:
        """The digest of the file; empty where it is another one by now. Takes milliseconds."""
        from edged.models import pins

        try:
            digest = pins.sha256(self.file.path)
        except OSError:
            return ""
        now = stamp(self.file.path)
        return digest if now and now == self.stamp[: len(now)] else ""


def admitted(config: Config) -> Admitted:
    """The model, out of quarantine, and read. ModelError."""
    from edged.inference import labels as label_files
    from edged.inference import tflite
    from edged.models.admission import admit

    model = admit(config.model)
    file = tflite.read(model)
    labels = [Path(model.labels)] if model.labels else label_files.beside(file.path)
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

    ModelError, or ConfigError for a label that the model does not have.
    """
    if keep is not None:
        return keep.with_rules(Decider(config.rule, config.decide, keep.labels))
    loaded = classifier(config, model)
    with ExitStack() as unless_made:
        unless_made.push(loaded)
        made = Perception(loaded, Decider(config.rule, config.decide, loaded.labels))
        unless_made.pop_all()
    return made


def camera(config: CameraConfig, wanted_px: tuple[int, int] | None) -> Camera:
    """The camera; `wanted_px` is the (height, width) that is enough until a read says another."""
    from edged.cameras.auto import detect

    kind = KINDS[detect() if config.kind == "auto" else config.kind]
    module = import_module(f"edged.cameras.{kind.module}")
    source: Callable[..., Source] = getattr(module, kind.source_class)
    closing = threading.Event()
    # A stop does not wait for the next frame.
    make_source = partial(source, config, sleep=sleep_until(closing))
    return NewestFrame(make_source, config, wanted_px, closing=closing)


class Ports:
    """The ports that are configured: the pins, and ``all`` others in the order of reports."""

    def __init__(self, stack: ExitStack, gpio: GpioPort) -> None:
        """`stack` closes them in reverse, but for the pins, which are open already."""
        self.all: list[Port] = []
        self.gpio = gpio
        self.mqtt: MqttPort | None = None
        self.webhook: WebhookPort | None = None
        self.why: WhyPort | None = None
        self._stack = stack

    def open_others(
        self, config: Config, journal: Journal, mailbox: Mailbox, *, live: bool
    ) -> None:
        """All that is not pins."""
        if config.mqtt.enabled:
            self._open_mqtt(config, journal, mailbox)
        if config.webhook:
            from edged.messages.cloudevents import source
            from edged.ports.webhook import WebhookPort

            named = source(Topics(config.mqtt, config.device).root)
            self.webhook = WebhookPort(config.webhook, journal, named)
            self.all.append(self._stack.enter_context(self.webhook))
        kept = beside_journal(config.journal, config.device, "why")
        if config.why.enabled and kept is not None:
            from edged.why.port import WhyPort

            self.why = WhyPort(config.why, kept, config.device)
            self.all.append(self._stack.enter_context(self.why))
        if config.control.enabled:
            socket = ControlSocket(control_socket(config), config.device, mailbox)
            self.all.append(self._stack.enter_context(socket))
        self.all.append(self._stack.enter_context(LogPort()))
        if live:
            from edged.ports.live import LivePort

            live_port = LivePort(lambda: self.broker_state() or "mqtt off")
            self.all.append(self._stack.enter_context(live_port))

    def await_pins(self) -> None:
        """Until pins are at their initial level, or known not to be. ConfigError."""
        self.gpio.begin(self._output_changed)

    def broker_state(self) -> str | None:
        """Which broker, and whether it is reached; None where MQTT is off."""
        return self.mqtt.state if self.mqtt is not None else None

    def broker_problems(self) -> list[str]:
        """What the broker refuses or lacks."""
        return self.mqtt.problems() if self.mqtt is not None else []

    def webhook_problems(self) -> list[str]:
        """Which receivers of events take nothing, or refused some."""
        return self.webhook.problems() if self.webhook is not None else []

    def reconfigure(self, config: Config) -> None:
        """Take over the options that a reload may change."""
        if self.mqtt is not None:
            self.mqtt.reconfigure(config)

    def _open_mqtt(self, config: Config, journal: Journal, mailbox: Mailbox) -> None:
        from edged.ports.mqtt import MqttPort

        if config.mqtt.embedded:
            from edged.broker import ensure_broker

            broker = ensure_broker(config.mqtt.host, config.mqtt.port or 1883)
            self._stack.enter_context(broker)
        self.mqtt = MqttPort(
            config,
            journal,
            mailbox,
            memory=beside_journal(config.journal, config.device, "mqtt"),
            head_start_s=FIRST_PICTURE_S,
        )
        self.all.append(self._stack.enter_context(self.mqtt))

    def _output_changed(self, state: OutputState) -> None:
        for port in self.all:
            port.write(state)
