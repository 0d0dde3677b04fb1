"""``make report-drift``: false alarms in simulated weeks, and whether faults are told by name."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edged.core import Cause, Frame, Pixels
from edged.drift.watch import EVERY, Watch
from edged.evaluation.text import table
from tests.conftest import SHARED_DATA
from tests.drift.measure import (
    LASTS_S,
    NIGHTS,
    PATIENCE_S,
    STEP_S,
    Used,
    false_alarms,
    faults,
    normal,
    photograph,
)
from tests.drift.scenes import of

ABOUT = f"""\
# Drift

Written by `make report-drift`. Each scene is a photograph of the ImageNet sample before a simulated
camera: sun and clouds, their colours, shadows that wander, passers-by and things that stay for
hours, an exposure that follows as far as it can, and noise. `drift.patience_s` is {PATIENCE_S:g}.

## Nothing happens

Every {STEP_S:g} s a frame is looked at. *Nights* counts how often `night` was told, which is no false
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


def weeks(pictures: list[Path], each: int, days: float) -> Iterator[tuple[str, ...]]:
    """A row for each kind of night, over `each` scenes."""
    for kind, night in enumerate(NIGHTS):
        chosen = pictures[kind :: len(NIGHTS)][:each]
        told = [normal(photograph(path), night, days, seed) for seed, path in enumerate(chosen)]
        alarms = sum(map(false_alarms, told))
        nights = sum(event.active and event.cause == "night" for one in told for event in one)
        seen = len(chosen) * days / 7
        rate = f"{alarms / seen:.2f}"
        yield night, f"{len(chosen)}", f"{seen:.1f}", f"{nights}", f"{alarms}", rate


def told(pictures: list[Path], count: int) -> Iterator[tuple[str, ...]]:
    """A row for each fault, over `count` scenes."""
    first: defaultdict[tuple[str, Cause], list[tuple[Cause | None, float]]] = defaultdict(list)
    for seed, path in enumerate(pictures[:count]):
        with tempfile.TemporaryDirectory() as folder:
            used = Used(photograph(path), NIGHTS[seed % len(NIGHTS)], seed, Path(folder))
            other = photograph(pictures[seed - 1])
            for fault in faults(other):
                first[fault.name, fault.cause].append(used.befallen(fault))
    for (name, cause), found in first.items():
        right = [after_s for said, after_s in found if said == cause]
        others = Counter(said or "nothing" for said, _ in found if said != cause)
        delay = f"{np.median(right):.0f} s" if right else "-"
        listed = ", ".join(f"{said} ({number})" for said, number in others.items()) or "-"
        yield name, cause, f"{len(right)} of {len(found)}", delay, listed


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
    parser.add_argument("--scenes", type=int, default=3, help="of each kind of night")
    parser.add_argument("--days", type=float, default=14.0, help="of each of these scenes")
    parser.add_argument("--faults", type=int, default=12, help="scenes with faults")
    asked = parser.parse_args()
    pictures = sorted((SHARED_DATA / "imagenet-sample" / "img").iterdir())[::23]
    head = ("night", "scenes", "weeks in all", "nights", "false alarms", "a week")
    text = ABOUT + "\n".join(table(head, weeks(pictures, asked.scenes, asked.days))) + LEARNED
    head = ("what happens", "cause", "told", "after", "told instead")
    text += FAULTS + "\n".join(table(head, told(pictures[1:], asked.faults))) + "\n"
    look = look_us()
    asked.out.write_text(text + COST.format(every=EVERY, look=look, frame=look / EVERY))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
