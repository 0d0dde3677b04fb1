"""Reports to write to a port under test."""

from __future__ import annotations

import time

import numpy as np

from edged.core import Drift, Event, Frame, Health, Prediction, Result, RuleState, Scene

LABELS = ("background", "tabby", "goldfish", "ostrich")


def result(
    number: int = 1,
    *,
    scene: str = "cat",
    active: bool = True,
    events: tuple[Event, ...] = (),
    captured_s: float | None = None,
) -> Result:
    """A frame with a tabby on it, and one rule named ``cat``."""
    at_s = time.monotonic() if captured_s is None else captured_s
    return Result(
        Frame(np.full((48, 64, 3), 90, np.uint8), number, at_s),
        Prediction(np.array([0.1, 0.7, 0.15, 0.05], np.float32), LABELS, {"invoke": 0.0123}, "m"),
        Scene(
            scene,
            (RuleState("cat", active, 0.7, at_s - 0.2),),
            ("cat",) if active else (),
            0.7,
        ),
        events,
        {"decode": 0.001, "invoke": 0.0123, "decide": 0.0001},
        at_s + 0.02,
    )


def event(number: int = 1, *, active: bool = True) -> Event:
    """The rule ``cat`` changes at frame `number`."""
    now_s = time.monotonic()
    return Event("cat", active, 0.7, now_s - 0.2, now_s, frame=number, number=number)


def health() -> Health:
    """A healthy board of which not everything is known."""
    return Health(
        at_s=time.monotonic(),
        drift=Drift(0.5, None, {"brightness": 0.02}),
        version="0.1.0",
        uptime_s=12.5,
        fps=29.97,
        frames=370,
        dropped=3,
        camera="/dev/video0 (USB Camera)",
        camera_error=None,
        camera_failures=0,
        camera_last_error=None,
        pins_error=None,
        paused=False,
        idle=False,
        model="mobilenet",
        memory_mb=81.2,
        temperature_c=None,
        throttled=False,
        stages_ms={"invoke": (12.1, 14.9)},
    )
