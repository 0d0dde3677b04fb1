"""edged's own parts in this process, with every port open, and a frame when it is called for."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from benchmarks import configuration
from edged import build
from edged.attention import Attention
from edged.config.schema import CameraConfig
from edged.core import Camera, Frame, Pixels, Report, Result
from edged.health import Vitals
from edged.inference.tflite import TfliteClassifier
from edged.journal.journal import Journal
from edged.notify import Notifier
from edged.opening import Opening
from edged.outage import Outage
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.pipeline import Pipeline
from edged.ports.mqtt import MqttPort
from edged.snapshots import Snapshots
from edged.watchdog import Watchdog

CONNECTING_LIMIT_S = 10.0

Decode: TypeAlias = Callable[[tuple[int, int] | None], Pixels]
"""Makes the pixels of a frame, as that of `edged.cameras.source.Capture` does."""


class OnDemandCamera:
    """Each read makes a frame at once, by the ``decode`` that was given last."""

    name = "bench"
    dropped = 0
    failures = 0
    last_error = None
    fault = None
    due_s = 0.0
    error = None
    fails = False

    def __init__(self) -> None:
        self.decode: Decode
        self._number = 0

    def __enter__(self) -> OnDemandCamera:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        """The next frame; there always is one."""
        del timeout_s
        self._number += 1
        captured_s = time.monotonic()
        pixels = self.decode(wanted_px)
        return Frame(pixels, self._number, captured_s, time.monotonic() - captured_s)

    def aim(self, camera: CameraConfig) -> None:
        """There is nothing to aim."""

    def skip(self, timeout_s: float) -> bool:
        """As `read`, undecoded."""
        del timeout_s
        self._number += 1
        return True


class Results(deque[Result]):
    """A port that keeps the newest results."""

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        """Other reports are left out."""
        if isinstance(report, Result):
            self.append(report)


class Taken(NamedTuple):
    """Seconds from a frame to its decision, and until every port has it and the loop is done."""

    decision_s: float
    whole_s: float
    result: Result


class Rig:
    """A pipeline, the ``results`` that it has told its ports, and the bare invoke of its model.

    ``decider`` is that of the pipeline's perception.
    """

    def __init__(
        self, pipeline: Pipeline, classifier: TfliteClassifier, decider: Decider, results: Results
    ) -> None:
        self.pipeline = pipeline
        self.decider = decider
        self.results = results
        # The floor has to be that of the same interpreter, which the classifier keeps to itself.
        interpreter = classifier._interpreter
        self._invoke = interpreter.invoke
        self._set, self._get = interpreter.set_tensor, interpreter.get_tensor
        self._given, self._made = classifier.image.tensor.index, classifier.scores.tensor.index
        self._pixels = interpreter.get_tensor(self._given)

    @property
    def input_px(self) -> tuple[int, int]:
        """Height and width of the model's input."""
        return self.pipeline.perception.wanted_px

    def floor_s(self) -> float:
        """Seconds of set_tensor, invoke and get_tensor."""
        began_s = time.monotonic()
        self._set(self._given, self._pixels)
        self._invoke()
        self._get(self._made)
        return time.monotonic() - began_s

    def frame(self, decode: Decode) -> Taken:
        """What a frame takes, with all that the loop does. Not with another camera."""
        pipeline, camera = self.pipeline, self.pipeline.camera
        assert isinstance(camera, OnDemandCamera)
        camera.decode = decode
        began_s = time.monotonic()
        pipeline.turn()
        done_s = time.monotonic()
        result = self.results[-1]
        return Taken(result.decided_s - began_s, done_s - began_s, result)


def still(pixels: Pixels) -> Decode:
    """Decodes to `pixels` at once."""
    return lambda _wanted_px: pixels


@contextmanager
def rig(
    folder: Path,
    model: Path,
    labels: str = "",
    port: int = 0,
    *,
    text: str = "",
    camera: Camera | None = None,
    keep: int | None = 1,
) -> Iterator[Rig]:
    """A pipeline of all ports: mock pins, MQTT where there is a `port`, control socket, log.

    Frames come with `Rig.frame`, or from a `camera`. The newest `keep` results are kept; None keeps
    all.
    """
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    text = configuration.model(model, labels, port) + text
    opening = Opening(configuration.write(folder, "bench", text))
    config, mailbox = opening.config, opening.mailbox
    with ExitStack() as stack:
        ports = build.Ports(stack, stack.enter_context(opening).pins)
        journal = stack.enter_context(Journal(config.device, config.journal))
        ports.open_others(config, journal, mailbox, live=False)
        classifier = build.classifier(config)
        decider = Decider(config.rule, config.decide, classifier.labels)
        perception = Perception(classifier, decider)
        results = Results(maxlen=keep)
        pipeline = Pipeline(
            stack.enter_context(camera or OnDemandCamera()),
            stack.enter_context(perception),
            journal,
            ports.gpio,
            [*ports.all, results],
            mailbox,
            {},
            attention=Attention(),
            vitals=Vitals(time.monotonic()),
            watchdog=Watchdog(Notifier({}), ports.gpio.beat),
            outage=Outage(config.camera),
            snapshots=Snapshots(mailbox),
        )
        ports.await_pins()
        made = Rig(pipeline, classifier, decider, results)
        if ports.mqtt is not None and camera is None:
            # It connects when the first frame is through.
            made.frame(still(np.zeros((*made.input_px, 3), np.uint8)))
            _wait_until_connected(ports.mqtt)
        yield made


def _wait_until_connected(mqtt: MqttPort) -> None:
    give_up_s = time.monotonic() + CONNECTING_LIMIT_S
    while not mqtt.live:
        if time.monotonic() > give_up_s:
            raise RuntimeError("the broker is not reached")
        time.sleep(0.02)
