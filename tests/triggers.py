"""A daemon before a camera with buffers, and three ways to ask it for a picture."""

from __future__ import annotations

import json
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

import numpy as np

from edged.cameras.newest import NewestFrame
from edged.cameras.source import Capture
from edged.config.schema import CameraConfig
from edged.core import Report, Snapshot
from edged.daemon import Daemon
from edged.opening import Opening
from edged.ports.control.client import ControlClient
from edged.ports.gpio.mock_pins import MockPins
from tests.guard.direct import on
from tests.mosquitto import LIMIT_S, Listener, wait_until

Way = Literal["socket", "MQTT", "pin"]
WAYS: tuple[Way, ...] = ("socket", "MQTT", "pin")

FPS = 200.0
BUFFERS = 4
"""Frames that may wait in the camera and its driver."""

BUTTON = 22

CONFIG = """\
device = "asked"
[camera]
kind = "demo"
fps = {fps}
[model]
threads = 1
[mqtt]
port = {port}
health_s = 0.0
[control]
socket = "{folder}/edged.sock"
[gpio]
factory = "mock"
[[input]]
name = "button"
pin = {button}
bounce_s = 0.0
"""


class BufferedSource:
    """Exposes one frame after another, and hands each out late, as a camera with buffers does.

    A frame is exposed for a part of its time, read out during a part of the next, stamped at the
    end of that, as a V4L2 driver does, and waits behind up to `BUFFERS` others. In the dark frames
    take four times as long. ``began_s`` has when the exposure of each began.
    """

    name = "buffered"

    def __init__(self, chance: random.Random) -> None:
        self.began_s: list[float] = []
        self._chance = chance
        self._pixels = np.full((64, 64, 3), 90, np.uint8)
        self._due_s = 0.0
        self._frame_s = 1.0 / FPS

    def __enter__(self) -> BufferedSource:
        self._next_s = self._delivered_s = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def grab(self) -> Capture:
        chance = self._chance
        if chance.random() < 0.02:
            self._frame_s = chance.choice((1.0, 4.0)) / FPS
        ended_s = self._next_s + self._frame_s
        self._next_s = ended_s
        began_s = ended_s - chance.uniform(0.05, 1.0) * self._frame_s
        stamp_s = ended_s + chance.uniform(0.0, 1.0) / FPS
        late_s = chance.choice((0.0, 0.0, chance.uniform(0.0, BUFFERS))) / FPS
        self._delivered_s = max(self._delivered_s, stamp_s + late_s)
        if (wait_s := self._delivered_s - time.monotonic()) > 0.0:
            time.sleep(wait_s)
        self.began_s.append(began_s)
        pixels = self._pixels
        return Capture(stamp_s, lambda _least_px: pixels)


class Answer(NamedTuple):
    """When a picture was asked for, when it came, and when the exposure of its frame began."""

    asked_s: float
    came_s: float
    began_s: float

    @property
    def is_fresh(self) -> bool:
        return self.began_s > self.asked_s


class _Snapshots:
    """A port that keeps the numbers of the frames of snapshots for the button.

    Those for MQTT are published, too, perhaps after their reply.
    """

    def __init__(self) -> None:
        self.frames: queue.Queue[int] = queue.Queue()

    def __enter__(self) -> _Snapshots:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def write(self, report: Report) -> None:
        if isinstance(report, Snapshot) and report.asked_by == "input button":
            self.frames.put(report.result.frame.number)


class Asked:
    """The daemon. `ask` returns what came of one request."""

    def __init__(self, folder: Path, port: int, source: BufferedSource, pins: MockPins) -> None:
        self._source = source
        self._client = ControlClient(folder / "edged.sock")
        self._pin: Any = pins.pin(BUTTON)
        self._port = port
        self._published = _Snapshots()
        self._asked = 0

    def ask(self, way: Way) -> Answer:
        asked_s = time.monotonic()
        frame = {"socket": self._by_socket, "MQTT": self._by_mqtt, "pin": self._by_pin}[way]()
        return Answer(asked_s, time.monotonic(), self._source.began_s[frame - 1])

    def _by_socket(self) -> int:
        reply, _ = self._client.ask("snapshot")
        return int(reply["classification"]["frame"])

    def _by_mqtt(self) -> int:
        self._asked += 1
        order = json.dumps({"command": "snapshot", "id": self._asked})
        self._listener.client.publish("edged/asked/command", order, 1)
        while True:
            reply = json.loads(self._listener.next("edged/asked/command/reply").payload)
            if reply["id"] == self._asked:
                return int(reply["classification"]["frame"])

    def _by_pin(self) -> int:
        self._pin.drive_low()
        frame = self._published.frames.get(timeout=LIMIT_S)
        self._pin.drive_high()
        return frame

    def _status_comes(self) -> bool:
        self._listener.client.publish("edged/asked/command", "status", 1)
        time.sleep(0.1)
        return not self._listener.messages.empty()

    @contextmanager
    def running(self, daemon: Daemon) -> Iterator[Asked]:
        thread = threading.Thread(target=daemon.run)
        thread.start()
        try:
            wait_until(lambda: hasattr(daemon, "_pipeline") and daemon._pipeline.vitals.frames)
            daemon._pipeline.ports = [*daemon._pipeline.ports, self._published]
            with Listener(self._port, "edged/asked/command/reply") as self._listener:
                # Only then are commands subscribed to.
                wait_until(self._status_comes)
                yield self
        finally:
            daemon.stop("the end")
            thread.join(LIMIT_S)


@contextmanager
def asked(folder: Path, port: int, seed: int) -> Iterator[Asked]:
    """A daemon with a broker at `port`."""
    path = folder / "edged.toml"
    path.write_text(CONFIG.format(fps=FPS, port=port, folder=folder, button=BUTTON))
    source, pins = BufferedSource(random.Random(seed)), MockPins()  # noqa: S311 (no secret)

    def camera(
        config: CameraConfig, wanted_px: tuple[int, int] | None, process: object = None
    ) -> NewestFrame:
        del process
        return NewestFrame(lambda: source, config, wanted_px)

    stand_ins: dict[str, Callable[..., Any]] = {
        "edged.build.camera": camera,
        "edged.guard.process.GuardProcess": on(pins),
    }
    with ExitStack() as stack:
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder)}
        stack.enter_context(patch.dict(os.environ, state))
        for name, stand_in in stand_ins.items():
            stack.enter_context(patch(name, stand_in))
        daemon = Daemon(Opening(path))
        yield stack.enter_context(Asked(folder, port, source, pins).running(daemon))
