"""A source that plays a script, for tests of what is built over sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from edged.cameras.source import Capture
from edged.core import Camera, Frame, Pixels

LIMIT_S = 20.0
"""How long a test waits for what must happen; reached only where it never will."""


def shade(value: int, height_px: int = 2, width_px: int = 3) -> Pixels:
    """A picture of one colour that names itself."""
    return np.full((height_px, width_px, 3), value, np.uint8)


def capture(value: int) -> Capture:
    return Capture(float(value), lambda _least_px: shade(value))


class Gate:
    """A step that holds the source back until the test lets it through."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.reached.set()
        self._open.wait(LIMIT_S)


Step = Capture | Exception | Gate


class ScriptedSource:
    """Each grab plays the steps up to the next capture or exception; then it blocks.

    Until `release`, after which every grab delivers at once, so that tests end quickly.
    """

    def __init__(self, *steps: Step, name: str = "scripted", opening: Exception | None = None):
        self.name = name
        self.opened = False
        self.closed = threading.Event()
        self.threads: set[int] = set()
        self.exhausted = Gate()
        self._steps = list(steps)
        self._gates = [step for step in steps if isinstance(step, Gate)]
        self._opening = opening

    def __enter__(self) -> ScriptedSource:
        self.threads.add(threading.get_ident())
        if self._opening is not None:
            raise self._opening
        self.opened = True
        return self

    def __exit__(self, *exception: object) -> None:
        self.threads.add(threading.get_ident())
        self.closed.set()

    def release(self) -> None:
        for gate in (self.exhausted, *self._gates):
            gate.open()

    def grab(self) -> Capture:
        self.threads.add(threading.get_ident())
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, Gate):
                step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                return step
        self.exhausted.wait()
        return capture(255)


def one_after_another(sources: Sequence[ScriptedSource]) -> Callable[[], ScriptedSource]:
    """A factory that gives each source once, and the last one again and again."""
    waiting = list(sources)
    return lambda: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def next_frame(camera: Camera, wanted_px: tuple[int, int] | None = None) -> Frame:
    frame = camera.read(LIMIT_S, wanted_px)
    assert frame is not None, f"no frame: {camera.error}"
    return frame


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail if it never does."""
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.002)
