"""What the kernel's scheduling does for a frame while every core is busy with something else.

``python -m benchmarks.scheduling FOLDER [--nice N] [--fifo] [--core C]`` is one process that takes
frames at a steady rate under one setting, and prints how long they took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import material
from benchmarks.configuration import lamp
from benchmarks.process import LIMIT_S, environment
from benchmarks.results import Part, Row, Table, Times
from benchmarks.rig import rig, still
from edged.cameras.pace import Pace

FPS = 30.0
WARM = 10
FRAMES = 50
ROUNDS = 3
NICE = -10
PRIORITY = 1

HELPS = 0.8
"""A setting helps where its p99 is at most so much of that without one."""

CLOSE = 1.1
"""Of settings whose p99 is within this factor of the best, the simplest is enough."""

SPIN = "import time\nend_s = time.monotonic() + 30\nwhile time.monotonic() < end_s: pass"
"""Ends by itself, should nobody be left to end it."""


class Way(NamedTuple):
    """A setting, as options of this program and as lines of a unit; ``busy`` is the machine.

    With ``apart`` the others keep off the one core that the setting names.
    """

    name: str
    busy: bool = True
    options: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    apart: bool = False


class Taken(NamedTuple):
    """Seconds from the moment that a frame was due, until the loop was awake, and decided."""

    awake_s: list[float]
    decision_s: list[float]


def measure(folder: Path) -> Part:
    """Every way in turns, each in processes of its own."""
    part = Part("Scheduling")
    cores = sorted(os.sched_getaffinity(0))
    ways = _ways(cores)
    taken = {way: Taken([], []) for way in ways}
    for _ in range(ROUNDS):
        for way in list(taken):
            found = _take(folder, way, cores)
            if found is None:
                del taken[way]
                continue
            taken[way].awake_s.extend(found.awake_s)
            taken[way].decision_s.extend(found.decision_s)
    decisions = {way: Times.of_seconds(found.decision_s) for way, found in taken.items()}
    idle = decisions[ways[0]]
    for way in ways:
        if not way.busy:
            continue
        measured = "not permitted here"
        if way in decisions:
            p99 = decisions[way].p99
            measured = f"{p99 / idle.p99:.2f} ({p99:.1f} ms over {idle.p99:.1f} ms)"
        part.rows.append(
            Row(f"frame → decision, p99, busy machine over idle: {way.name}", measured)
        )
    part.tables.append(
        Table(
            f"640×480 RGB, {FPS:g} frames a second from a timer, one thread",
            ("machine", "setting", "awake p50/p90/p99 ms", "decision p50/p90/p99 ms", "most ms"),
            [
                (
                    "busy" if way.busy else "idle",
                    way.name,
                    str(Times.of_seconds(taken[way].awake_s)),
                    str(times),
                    f"{max(times.ms):.3f}",
                )
                for way, times in decisions.items()
            ],
        )
    )
    part.notes.append(
        f"Busy: {len(cores)} other processes that only compute, one for each core, at the same "
        f"nice level. Both times begin when the frame is due: a loop that wakes late is late. "
        f"{ROUNDS * FRAMES} frames of each, in turns, each setting on the whole process."
    )
    part.notes += _advice({way: times for way, times in decisions.items() if way.busy}, idle)
    return part


def _ways(cores: Sequence[int]) -> list[Way]:
    """Simpler settings come first; those of a core only where another is left to the others."""
    nice = ("--nice", str(NICE)), (f"Nice={NICE}",)
    fifo = ("--fifo",), ("CPUSchedulingPolicy=fifo", f"CPUSchedulingPriority={PRIORITY}")
    ways = [
        Way("no setting", busy=False),
        Way("no setting"),
        Way(f"nice {NICE}", True, *nice),
        Way(f"SCHED_FIFO {PRIORITY}", True, *fifo),
    ]
    if len(cores) > 1:
        # Not the first: many a kernel lets it serve the interrupts.
        pinned = ("--core", str(cores[-1])), (f"CPUAffinity={cores[-1]}",)
        both = pinned[0] + fifo[0], pinned[1] + fifo[1]
        ways.insert(1, Way("one core", False, *pinned))
        ways += [
            Way("one core", True, *pinned),
            Way(f"one core, SCHED_FIFO {PRIORITY}", True, *both),
            Way("one core, the others kept off it", True, *pinned, apart=True),
        ]
    return ways


def _take(folder: Path, way: Way, cores: Sequence[int]) -> Taken | None:
    """None where the kernel does not let us."""
    command = [sys.executable, "-m", "benchmarks.scheduling", str(folder), *way.options]
    busy = (cores[:-1] if way.apart else cores) if way.busy else ()
    with _spinning(len(cores) if way.busy else 0, busy):
        output = subprocess.run(
            command,
            env=environment(OPENBLAS_NUM_THREADS="1"),
            stdout=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    if output.returncode:
        raise RuntimeError(f"{way.name}: ended with {output.returncode}")
    answer: dict[str, Any] | None = json.loads(output.stdout)
    return None if answer is None else Taken(**answer)


@contextmanager
def _spinning(count: int, cores: Sequence[int]) -> Iterator[None]:
    """`count` processes that keep `cores` busy."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        for one in running:
            os.sched_setaffinity(one.pid, cores)
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def _advice(busy: dict[Way, Times], idle: Times) -> list[str]:
    (_, plain), *settings = busy.items()
    notes = [
        f"Without a setting the busy machine takes p50 {plain.p50:.1f} ms and p99 {plain.p99:.1f} "
        f"ms, the idle one {idle.p50:.1f} ms and {idle.p99:.1f} ms, in which a sleeping core has "
        "to wake first. Of the busy machine's p50 and p99 there remain with "
        + "; ".join(
            f"{way.name} {100 * times.p50 / plain.p50:.0f} and {100 * times.p99 / plain.p99:.0f} %"
            for way, times in settings
        )
        + "."
    ]
    # To keep others off a core is up to their units.
    own = [(way, times) for way, times in settings if not way.apart]
    least = min((times.p99 for _, times in own), default=plain.p99)
    if least > HELPS * plain.p99:
        return notes
    best = next(way for way, times in own if times.p99 <= CLOSE * least)
    lines = "\n".join(("[Service]", *best.lines))
    return [
        *notes,
        f"The simplest of the best, in a drop-in of edged.service (`systemctl edit edged`):\n\n"
        f"```ini\n{lines}\n```",
        "A loop under SCHED_FIFO goes before every ordinary process: one that computes without end "
        "leaves its core's others the twentieth that the kernel reserves by default. Nice levels "
        "count among processes of one cgroup, as here: where services share the processor by "
        "weight, `CPUWeight=` counts between them, which is not measured.",
    ]


def _set(nice: int, fifo: bool, core: int | None) -> None:
    """For this thread and those that it makes: so systemd sets it for a service."""
    if nice:
        os.nice(nice)
    if core is not None:
        os.sched_setaffinity(0, {core})
    if fifo:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def _frames(folder: Path) -> Taken:
    model, labels = material.reference()
    picture = still(material.picture(640, 480))
    taken = Taken([], [])
    pace = Pace(FPS)
    with rig(folder, model, labels, text=lamp(model)) as bench:
        for number in range(WARM + FRAMES):
            due_s = pace.wait()
            awake_s = time.monotonic() - due_s
            decision_s = bench.frame(picture).decision_s
            if number >= WARM:
                taken.awake_s.append(awake_s)
                taken.decision_s.append(awake_s + decision_s)
    return taken


def main() -> None:
    """Prints a `Taken` as JSON, or null where the setting is not permitted."""
    parser = argparse.ArgumentParser(prog="benchmarks.scheduling")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--fifo", action="store_true")
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    try:
        _set(arguments.nice, arguments.fifo, arguments.core)
    except PermissionError:
        print("null")
        return
    print(json.dumps(_frames(arguments.folder)._asdict()))


if __name__ == "__main__":
    main()
