"""edged's own parts in this process, with every port open, and a frame that comes when told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from edged import build
from edged.cameras.source import Capture
from edged.config.load import load
from edged.core import Camera, Frame, Pixels, Result
from edged.inference.tflite import TfliteClassifier
from edged.mailbox import Mailbox
from edged.notify import Notifier
from edged.pipeline import Pipeline

LAMP = """
[[rule]]
name = "seen"
labels = [{labels}]
combine = "sum"
smoothing_s = 0.0
enter = {enter}
exit = {exit}

[[output]]
name = "lamp"
pin = {pin}
rule = "seen"
"""


class StillCamera:
    """Delivers nothing: frames are handed to the pipeline directly."""

    name = "bench"
    dropped = 0
    error = None

    def __init__(self) -> None:
        self._frame: Frame | None = None

    def __enter__(self) -> StillCamera:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def hand_over(self, frame: Frame) -> None:
        """The next that is read."""
        self._frame = frame

    def read(self, timeout_s: float, wanted_px: tuple[int, int] | None) -> Frame | None:
        """What was handed over; None after the whole time where nothing was."""
        del wanted_px
        frame, self._frame = self._frame, None
        if frame is None:
            time.sleep(timeout_s)
        return frame

    def skip(self, timeout_s: float) -> bool:
        """False, after the whole time."""
        time.sleep(timeout_s)
        return False


class Taken(NamedTuple):
    """Seconds from a frame to its decision, and until every port has it and the loop is done."""

    decision_s: float
    whole_s: float
    result: Result


class Rig:
    """A pipeline with its parts."""

    def __init__(self, pipeline: Pipeline, ports: build.Ports, mailbox: Mailbox) -> None:
        self.pipeline = pipeline
        self.ports = ports
        self.mailbox = mailbox
        assert isinstance(pipeline.classifier, TfliteClassifier)
        self.classifier = pipeline.classifier
        interpreter = self.classifier._interpreter
        self._invoke = interpreter.invoke
        self._set, self._get = interpreter.set_tensor, interpreter.get_tensor
        given = interpreter.get_input_details()[0]["index"]
        self._given, self._made = given, interpreter.get_output_details()[0]["index"]
        self._pixels = interpreter.get_tensor(given)
        self._number = 0

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height of the model's input."""
        return self.classifier.input_width_px, self.classifier.input_height_px

    def floor_s(self) -> float:
        """Seconds of set_tensor, invoke and get_tensor."""
        began_s = time.perf_counter()
        self._set(self._given, self._pixels)
        self._invoke()
        self._get(self._made)
        return time.perf_counter() - began_s

    def frame(self, decode: Callable[[], Pixels]) -> Taken:
        """What a frame takes, with all that the loop does."""
        pipeline = self.pipeline
        self._number += 1
        began_s = time.perf_counter()
        frame = Frame(decode(), self._number, time.monotonic())
        result = pipeline.look(frame, frame.captured_s)
        decided_s = time.perf_counter()
        pipeline.tell(result)
        pipeline.beat(delivering=True)
        pipeline.obey()
        return Taken(decided_s - began_s, time.perf_counter() - began_s, result)


def still(pixels: Pixels) -> Callable[[], Pixels]:
    """Decodes to `pixels` at once."""
    return lambda: pixels


@contextmanager
def rig(
    folder: Path,
    model: Path,
    labels: str = "",
    port: int = 0,
    *,
    text: str = "",
    overrides: Sequence[str] = (),
    camera: Callable[[tuple[int, int]], Camera] | None = None,
    pipeline_type: type[Pipeline] = Pipeline,
) -> Iterator[Rig]:
    """A pipeline of all ports: mock pins, MQTT where there is a `port`, control socket, log."""
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    config_file = folder / "edged.toml"
    config_file.write_text(
        f"[model]\npath = {str(model)!r}\nlabels = {labels!r}\nthreads = 1\n"
        f'[gpio]\nfactory = "mock"\n'
        f"[mqtt]\nenabled = {str(bool(port)).lower()}\nhost = '127.0.0.1'\nport = {port}\n"
        f"[spool]\npath = {str(folder / 'events.db')!r}\n"
        f"[control]\nsocket = {str(folder / 'control.sock')!r}\n{text}"
    )
    config = load(config_file, overrides, {})
    mailbox = Mailbox()
    with ExitStack() as stack:
        ports = build.ports(config, mailbox, stack, live=False)
        classifier = build.classifier(config)
        stack.callback(classifier.close)
        wanted_px = classifier.input_px
        pipeline = pipeline_type(
            stack.enter_context(camera(wanted_px) if camera else StillCamera()),
            classifier,
            build.decider(config, classifier.labels),
            ports.all,
            mailbox,
            notifier=Notifier({}),
            wake_s=config.idle.after_s,
            health_s=0.0,
        )
        made = Rig(pipeline, ports, mailbox)
        if ports.mqtt is not None and camera is None:
            made.frame(lambda: _black(wanted_px))
            _wait_until_connected(ports.mqtt)
        yield made


def _black(size_px: tuple[int, int]) -> Pixels:
    import numpy as np

    return np.zeros((*size_px, 3), np.uint8)


def _wait_until_connected(mqtt: Any) -> None:
    give_up_s = time.monotonic() + 10.0
    while not mqtt.live:
        if time.monotonic() > give_up_s:
            raise RuntimeError("the broker is not reached")
        time.sleep(0.02)


__all__ = ["LAMP", "Capture", "Rig", "StillCamera", "Taken", "rig", "still"]
