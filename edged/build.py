"""Builds objects from the configuration: the only file that chooses implementations.

Each choice is a plain dict, kind to factory; hardware and heavy libraries are imported inside.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from edged.anomaly import place as normal_place
from edged.cameras.isolation.process import CameraProcess, is_isolated
from edged.cameras.kinds import KINDS
from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.source import Source
from edged.config.nearest import listed
from edged.config.schema import CameraConfig, Config, DriftConfig, ModelConfig
from edged.core import Camera, Classifier, OutputState, Port
from edged.files import is_there
from edged.journal.journal import Journal
from edged.journal.paths import beside_journal
from edged.mailbox import Mailbox
from edged.paths import control_socket
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.ports.control.server import ControlSocket
from edged.ports.log import LogPort
from edged.ports.mqtt.topics import Topics
from edged.teaching import place

if TYPE_CHECKING:
    from edged.anomaly.normal import Normal
    from edged.drift.summary import Summary
    from edged.drift.watch import Watch
    from edged.inference.modelfile import ModelFile
    from edged.inference.tflite import TfliteClassifier
    from edged.perception.known import Known
    from edged.perception.still import StillScenes
    from edged.ports.gpio.port import GpioPort
    from edged.ports.mqtt import MqttPort
    from edged.ports.webhook import WebhookPort
    from edged.review.port import ReviewPort
    from edged.teaching.lessons import Lessons
    from edged.why.port import WhyPort

log = logging.getLogger(__name__)

FIRST_PICTURE_S = 1.0
"""The longest delay, for the first classification, of work that it does not need."""


class Admitted(NamedTuple):
    """A model that may be loaded: its options, the facts in its file, and the file's identity.

    ``stamp`` changes when the file is replaced or written again, and when something is taught.
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
    """The model after quarantine, its file read. ModelError."""
    from edged.inference import labels as label_files
    from edged.inference import tflite
    from edged.models.admission import admit
    from edged.perception import reference

    model = admit(config.model)
    file = tflite.read(model)
    labels = [Path(model.labels)] if model.labels else label_files.beside(file.path)
    known = reference.places(file.path) if config.decide.unknown_share else []
    normal = [normal_place.place(config)] if normal_place.wanted(config) else []
    files = (file.path, *labels, *known, *place.files(config), *normal)
    return Admitted(model, file, stamp(*files))


def stamp(*paths: Path) -> tuple[int, ...]:
    """A value that changes with the contents of these files, without reading them."""
    stamps: list[int] = []
    for path in paths:
        # Loading gives the best message about what is wrong with a file.
        with suppress(OSError):
            found = path.stat()
            stamps += (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return tuple(stamps)


def classifier(
    config: Config,
    model: Admitted | None = None,
    layers: Collection[int] = (),
    data: bytes | None = None,
) -> TfliteClassifier:
    """The model, loaded, and blessed if that is required; ModelError.

    `model` is the result of `admitted`, if it was called before, and `data` the file's content, if
    that has been read. Predictions have the inner tensors `layers`.
    """
    from edged.inference import tflite

    model = model or admitted(config)
    loaded = tflite.load(model.settings, config.camera.fit, model.file, layers, data)
    if model.settings.require_blessing:
        from edged.evaluation import blessing

        with ExitStack() as unless_blessed:
            unless_blessed.push(loaded)
            blessing.check(loaded.path, loaded.preprocessing)
            unless_blessed.pop_all()
    return loaded


def lessons(config: Config, model: Admitted) -> Lessons | None:
    """What was taught to the model, where that is used. ConfigError where it cannot be."""
    # A model is read whole for its SHA-256, which is not worth it where nothing was taught.
    if not place.files(config):
        return None
    from edged.teaching.lessons import fitting
    from edged.teaching.teacher import backbone

    bound = backbone(config, model)
    found = fitting(place.place(config, bound.sha256), bound)
    return found if found is not None and found.examples else None


class Sensing(NamedTuple):
    """A loaded model: ``bare``, and ``whole`` with what edged adds to its predictions and labels.

    Leaving ``whole`` releases both. ``training`` is what its training pictures are like, if known.
    """

    bare: TfliteClassifier
    whole: Classifier
    training: Summary | None = None


def sensing(config: Config, model: Admitted | None = None) -> Sensing:
    """The model with everything that the daemon asks of it. ModelError, ConfigError."""
    from edged.inference.layers import expose
    from edged.inference.modelfile import content

    model = model or admitted(config)
    # Read once, for all that look into it, and kept once: it has megabytes.
    data = content(model.file.path)
    known, learned = _known(config, model, data), lessons(config, model)
    normal = _normal(config, model, data)
    layers = {*(known.layers if known else ()), *([normal.tensor] if normal else ())}
    layers |= {*(learned.reading.tensors if learned else ())}
    data = expose(data, layers)
    if known is not None:
        known.rest_on(data)
    bare = classifier(config, model, layers, data)
    whole: Classifier = bare
    with ExitStack() as unless_made:
        unless_made.push(bare)
        if known is not None:
            from edged.perception.known import KnowingClassifier

            whole = KnowingClassifier(whole, known)
        if learned is not None:
            whole = _taught(whole, learned, model)
            log.info("taught labels: %s", listed(learned.labels))
        if normal is not None:
            from edged.anomaly.classifier import AnomalyClassifier

            path = normal_place.place(config)
            kept = path.with_name(f"{path.name}.learned")
            fit, learn_s = config.camera.fit, config.different.learn_s
            whole = AnomalyClassifier(whole, normal, fit, learn_s, kept)
        unless_made.pop_all()
    return Sensing(bare, whole, known.training if known is not None else None)


def taught(config: Config) -> Sensing:
    """As `sensing`, without what is normal in one view. ModelError, ConfigError."""
    return sensing(replace(config, rule=[]))


def unwatched(config: Config) -> Config:
    """`config` for who looks at pictures as the daemon does, of which its camera learns nothing."""
    return replace(config, drift=DriftConfig(enabled=False))


def _taught(bare: Classifier, learned: Lessons, model: Admitted) -> Classifier:
    from edged.teaching import background
    from edged.teaching.classifier import TaughtClassifier

    return TaughtClassifier(bare, learned, background.find(model.file.path, learned.reading))


def perception(
    config: Config, model: Admitted | None = None, keep: Perception | None = None
) -> Perception:
    """The model and the rules over its labels; with the model of `keep`, if given.

    ModelError, or ConfigError for a label that the model does not have.
    """
    if keep is not None:
        still = _still_scenes(config, keep.wanted_px, keep.keeps_state)
        watch = _watch(config, keep.training)
        return keep.with_rules(Decider(config.rule, config.decide, keep.labels), still, watch)
    _, whole, training = sensing(config, model)
    with ExitStack() as unless_made:
        unless_made.push(whole)
        decider = Decider(config.rule, config.decide, whole.labels)
        still = _still_scenes(config, whole.input_px, whole.keeps_state)
        watch = _watch(config, training)
        made = Perception(whole, decider, still=still, watch=watch, training=training)
        unless_made.pop_all()
    return made


def _watch(config: Config, training: Summary | None) -> Watch | None:
    if not config.drift.enabled:
        return None
    from edged.drift.watch import Watch

    path = beside_journal(config.journal, config.device, "usual")
    return Watch(config.drift.patience_s, _framing(config.camera), path, training)


def _framing(camera: CameraConfig) -> str:
    """What tells one framing of a camera from another: its address may have a password."""
    parts = (camera.kind, camera.source, camera.rotate_deg, camera.flip, camera.region)
    return hashlib.sha256(repr((*parts, camera.privacy)).encode()).hexdigest()


def _normal(config: Config, model: Admitted, data: bytes) -> Normal | None:
    if not normal_place.wanted(config):
        return None
    from edged.anomaly import normal as normals

    path = normal_place.place(config)
    normal = normals.read(path)
    normals.check(normal, path, model.file.path, data)
    return normal


def _still_scenes(
    config: Config, input_px: tuple[int, int], keeps_state: bool
) -> StillScenes | None:
    if not config.idle.still or keeps_state:
        return None
    from edged.perception.still import StillScenes

    return StillScenes(config.idle.still_s, input_px, config.camera.fit)


def _known(config: Config, model: Admitted, data: bytes) -> Known | None:
    if not config.decide.unknown_share:
        return None
    from edged.perception import known

    return known.find(model.file.path, data)


def camera(
    config: CameraConfig,
    wanted_px: tuple[int, int] | None,
    process: CameraProcess | None = None,
) -> Camera:
    """The camera; `wanted_px` is the needed (height, width) until a read requests another.

    `process` has been started for it before.
    """
    closing = threading.Event()
    # A stop does not wait for the next frame.
    sleep = sleep_until(closing)
    if is_isolated(config):
        from edged.cameras.isolation.source import IsolatedSources

        sources = IsolatedSources(config, sleep, process)
        return NewestFrame(sources, config, wanted_px, closing=closing)
    name = config.kind
    if name == "auto":
        from edged.cameras.auto import detect

        name = detect()
    kind = KINDS[name]
    module = import_module(f"edged.cameras.{kind.module}")
    source: Callable[..., Source] = getattr(module, kind.source_class)
    make_source = partial(source, config, sleep=sleep)
    return NewestFrame(make_source, config, wanted_px, closing=closing)


class Ports:
    """The configured ports: the pins, and ``all`` others in the order of reports."""

    def __init__(self, stack: ExitStack, gpio: GpioPort) -> None:
        """`stack` closes them in reverse order, except the pins, which are already open."""
        self.all: list[Port] = []
        self.gpio = gpio
        self.mqtt: MqttPort | None = None
        self.webhook: WebhookPort | None = None
        self.why: WhyPort | None = None
        self.review: ReviewPort | None = None
        self._stack = stack

    def open_others(
        self, config: Config, journal: Journal, mailbox: Mailbox, *, live: bool
    ) -> None:
        """Open every port except the pins."""
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
        pictures = beside_journal(config.journal, config.device, "review")
        # Where it is off now, what was kept before is still shown, and becomes too old.
        if pictures is not None and (config.review.enabled or is_there(pictures)):
            from edged.review.port import ReviewPort

            privacy = config.camera.privacy
            self.review = ReviewPort(config.review, pictures, config.device, privacy)
            self.all.append(self._stack.enter_context(self.review))
        if config.control.enabled:
            socket = ControlSocket(control_socket(config), config.device, mailbox)
            self.all.append(self._stack.enter_context(socket))
        self.all.append(self._stack.enter_context(LogPort()))
        if live:
            from edged.ports.live import LivePort

            live_port = LivePort(lambda: self.broker_state() or "mqtt off")
            self.all.append(self._stack.enter_context(live_port))

    def await_pins(self) -> None:
        """Wait until the pins are at their initial level, or known not to be. ConfigError."""
        self.gpio.begin(self._output_changed)

    def broker_state(self) -> str | None:
        """The broker, and whether it is connected; None if MQTT is off."""
        return self.mqtt.state if self.mqtt is not None else None

    def broker_error(self) -> str | None:
        """Why the broker is not connected."""
        return self.mqtt.error if self.mqtt is not None else None

    def broker_problems(self) -> list[str]:
        """What the broker refuses or lacks."""
        return self.mqtt.problems() if self.mqtt is not None else []

    def webhook_problems(self) -> list[str]:
        """The webhooks that accept no events, or refused some."""
        return self.webhook.problems() if self.webhook is not None else []

    def reconfigure(self, config: Config) -> None:
        """Apply the options that a reload may change."""
        if self.mqtt is not None:
            self.mqtt.reconfigure(config)
        if self.review is not None:
            self.review.reconfigure(config.camera.privacy)

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
