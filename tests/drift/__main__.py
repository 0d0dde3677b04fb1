"""``make report-drift``: false alarms in simulated weeks, and whether faults are told by name."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import cycle, repeat
from pathlib import Path
from typing import TypeAlias

import numpy as np

from edged.core import Cause, Event, Frame, Pixels
from edged.drift.watch import EVERY, Watch
from edged.evaluation.text import table
from tests.conftest import SHARED_DATA
from tests.drift.measure import (
    LASTS_S,
    NIGHTS,
    PATIENCE_S,
    STEP_S,
    Told,
    Used,
    false_alarms,
    faults,
    normal,
    photograph,
)
from tests.drift.scenes import Night, of

Row: TypeAlias = tuple[str, ...]

ABOUT = f"""\
# Drift

Written by `make report-drift`. Each scene is a photograph of the ImageNet sample before a simulated
camera: sun and clouds, their colours, shadows that wander, passers-by and things that stay for
hours, an exposure that follows as far as it can, and noise. `drift.patience_s` is {PATIENCE_S:g}.

## Nothing happens

Every {STEP_S:g} s a frame is looked at. *Nights* counts how often `night` was told, which is no \
false
alarm; all others are.

"""

LEARNED = """

Where the light is switched off at once, this counts as a blocked view on the first evening. It is
known from the second on.
"""

FAULTS = f"""
## Faults

A camera that has seen one day and one night is started again, and five minutes later the fault
begins. It lasts {LASTS_S / 3600:g} h. *Told* counts the scenes in which the right cause was told \
first, with the
median delay from the beginning of the fault.

"""

COST = """
## Cost

One frame in {every} is looked at, which takes {look:.0f} µs here with a frame of 640x480: \
{frame:.1f} µs a frame.
"""


def weeks(pictures: list[Path], each: int, days: float, run: Executor) -> Iterator[Row]:
    """A row for each kind of night, over `each` scenes."""
    chosen = pictures[: each * len(NIGHTS)]
    told = list(run.map(a_while, chosen, cycle(NIGHTS), repeat(days), range(len(chosen))))
    for kind, night in enumerate(NIGHTS):
        own = told[kind :: len(NIGHTS)]
        alarms = sum(map(false_alarms, own))
        nights = sum(event.active and event.cause == "night" for one in own for event in one)
        seen = len(own) * days / 7
        rate = f"{alarms / seen:.2f}"
        yield night, f"{len(own)}", f"{seen:.1f}", f"{nights}", f"{alarms}", rate


def a_while(path: Path, night: Night, days: float, seed: int) -> list[Event]:
    """All that is told while nothing happens before a camera."""
    return normal(photograph(path), night, days, seed)


def told(pictures: list[Path], count: int, run: Executor) -> Iterator[Row]:
    """A row for each fault, over `count` scenes."""
    first: defaultdict[tuple[str, Cause], list[Told]] = defaultdict(list)
    chosen, others = pictures[:count], pictures[1 : count + 1]
    for found in run.map(befallen, chosen, others, cycle(NIGHTS), range(count)):
        for fault, one in found.items():
            first[fault].append(one)
    for (name, cause), each in first.items():
        right = [after_s for said, after_s in each if said == cause]
        instead = Counter(said or "nothing" for said, _ in each if said != cause)
        delay = f"{np.median(right):.0f} s" if right else "-"
        listed = ", ".join(f"{said} ({number})" for said, number in instead.items()) or "-"
        yield name, cause, f"{len(right)} of {len(each)}", delay, listed


def befallen(path: Path, other: Path, night: Night, seed: int) -> dict[tuple[str, Cause], Told]:
    """What is told of each fault before one camera."""
    with tempfile.TemporaryDirectory() as folder:
        used = Used(photograph(path), night, seed, Path(folder))
        found = faults(photograph(other))
        return {(fault.name, fault.cause): used.befallen(fault) for fault in found}


def look_us(frame_px: tuple[int, int] = (480, 640), looks: int = 300) -> float:
    """The least time that a look takes: of a mean, other programs are a part."""
    watch, rng = Watch(PATIENCE_S), np.random.default_rng(0)
    pixels: Pixels = rng.integers(0, 255, (*frame_px, 3), dtype=np.uint8)
    said = of(0.5)
    best_s = 1.0
    for number in range(looks):
        frame = Frame(pixels, number, float(number))
        began_s = time.perf_counter()
        watch.look(frame, said)
        best_s = min(best_s, time.perf_counter() - began_s)
    return best_s * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="make report-drift", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=1, help="of each kind of night")
    parser.add_argument("--days", type=float, default=7.0, help="of each of these scenes")
    parser.add_argument("--faults", type=int, default=4, help="scenes with faults")
    asked = parser.parse_args()
    pictures = sorted((SHARED_DATA / "imagenet-sample" / "img").iterdir())[::23]
    with ProcessPoolExecutor() as run:
        normally = list(weeks(pictures, asked.scenes, asked.days, run))
        befell = list(told(pictures[1:], asked.faults, run))
    head: Row = ("night", "scenes", "weeks in all", "nights", "false alarms", "a week")
    text = ABOUT + "\n".join(table(head, normally)) + LEARNED
    head = ("what happens", "cause", "told", "after", "told instead")
    text += FAULTS + "\n".join(table(head, befell)) + "\n"
    look = look_us()
    asked.out.write_text(text + COST.format(every=EVERY, look=look, frame=look / EVERY))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
