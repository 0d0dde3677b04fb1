"""What a watch tells of simulated days, and of what befalls a camera in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from PIL import Image

from edged.core import Cause, Event, Frame, Pixels
from edged.drift.watch import EVERY, Watch
from tests.drift.scenes import (
    DAY_S,
    Light,
    Moment,
    Night,
    Scene,
    covered,
    defocused,
    of,
    tinted,
)

NIGHTS: tuple[Night, ...] = get_args(Night)
PATIENCE_S = 120.0
STEP_S = 60.0
"""Between two looks in simulated days; in an hour with a fault it is `FAULT_STEP_S`."""

FAULT_STEP_S = 10.0
USED_DAYS, USED_STEP_S = 1.1, 60.0
AT_S, LEAD_S, LASTS_S = 10.5 * 3600.0, 300.0, 3600.0
"""The time of the day at which a camera is started again, and how long before and in a fault."""


class Told(NamedTuple):
    """What was told of a fault: ``first`` cause, and after how long."""

    first: Cause | None
    after_s: float


def photograph(path: Path) -> Pixels:
    """A picture of the sample."""
    return np.asarray(Image.open(path).convert("RGB"))


def events(watch: Watch, moments: Iterable[Moment]) -> Iterator[Event]:
    """What is told of them, each one that is looked at."""
    for number, moment in enumerate(moments):
        # Of the frames between, nothing is looked at.
        frame = Frame(moment.pixels, number * EVERY, moment.at_s)
        yield from watch.look(frame, of(moment.known))


def normal(picture: Pixels, night: Night, days: float, seed: int) -> list[Event]:
    """All that is told while nothing happens."""
    watch = Watch(PATIENCE_S)
    return list(events(watch, Scene(picture, night, seed).run(days, STEP_S)))


def false_alarms(told: Iterable[Event]) -> int:
    """How many of these are of no night."""
    return sum(event.active and event.cause != "night" for event in told)


def elsewhere(other: Pixels) -> Callable[[Light], Light]:
    """The camera looks at another place from now on."""
    height, width = Scene.size_px
    picture = np.asarray(Image.fromarray(other).resize((width, height)), np.float32) / 255
    light = picture ** np.float32(2.2)
    return lambda seen: light * np.float32(seen.mean() / max(float(light.mean()), 1e-3))


class Fault(NamedTuple):
    """What befalls a camera: its name, what should be told, and how it changes what is seen."""

    name: str
    cause: Cause
    change: Callable[[Light], Light] = lambda light: light
    shift_px: tuple[int, int] = (0, 0)
    known: float | None = None


def faults(other: Pixels) -> list[Fault]:
    """One of each kind; `other` is another place."""
    return [
        Fault("a hand before the lens", "view blocked", covered()),
        Fault("paint on the lens", "view blocked", covered(dark=False)),
        Fault("defocused", "view out of focus", defocused),
        Fault("turned a little", "view moved", shift_px=(6, 14)),
        Fault("turned elsewhere", "view moved", elsewhere(other)),
        Fault("without its infrared filter", "colour cast", tinted),
        Fault("other things in view", "new kind of picture", known=0.02),
    ]


class Used:
    """A camera that has seen a day and a night, and is started again for each fault."""

    def __init__(self, picture: Pixels, night: Night, seed: int, folder: Path) -> None:
        self._scene, self._folder, self._copies = Scene(picture, night, seed), folder, 0
        self._kept = folder / "usual"
        watch = Watch(PATIENCE_S, path=self._kept)
        self.told = list(events(watch, self._scene.run(USED_DAYS, USED_STEP_S)))
        watch.close()

    def befallen(self, fault: Fault) -> Told:
        """What is told first of a `fault` on the next day, within an hour."""
        self._copies += 1
        path = shutil.copy(self._kept, self._folder / f"usual-{self._copies}")
        watch = Watch(PATIENCE_S, path=Path(path))
        began_s = DAY_S + AT_S + LEAD_S
        moments = self._scene.run(
            (LEAD_S + LASTS_S) / DAY_S,
            FAULT_STEP_S,
            DAY_S + AT_S,
            lambda light, at_s: fault.change(light) if at_s >= began_s else light,
            lambda at_s: fault.shift_px if at_s >= began_s else (0, 0),
        )
        known = fault.known
        if known is not None:
            moments = (
                moment._replace(known=known) if moment.at_s >= began_s else moment
                for moment in moments
            )
        for event in events(watch, moments):
            if event.active:
                return Told(event.cause, event.decided_s - began_s)
        return Told(None, LASTS_S)
