"""A daemon whose camera's process dies, hangs, falls silent and shows nonsense, again and again."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from tests.cameras.isolation.whole import HARMLESS, ODD, TIMEOUT_S, TOLD, Course, whole
from tests.torture.part import Part, Row, progress

LATE_MS = 200.0
"""Beyond the camera's time: to end its process, to report it, and for this to look."""

AGAIN_MS = 1000.0

KILLS_PER_ROUND = 10
"""Each other fault comes once in a round."""

KILL = "SIGKILL"


def run(seconds: float, seed: int) -> Part:
    """As many rounds as the time allows, in an order by chance."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    told: dict[str, Row] = {}
    again: dict[str, Row] = {}
    for fault in TOLD:
        limit_ms = 1e3 * TIMEOUT_S + LATE_MS
        told[fault] = Row(f"{fault}: until it is told", [], limit_ms)
        from_when = "until frames come again" if fault == KILL else "from its end to good frames"
        again[fault] = Row(f"{fault}: {from_when}", [], AGAIN_MS if fault == KILL else None)
    answers = Row("the longest that a command waited, in each round", [], None)
    part = Part(
        "A camera in a process of its own",
        "A whole daemon with a camera of 640x480 JPEG at 20 frames a second, a model and pins; "
        f"`camera.timeout_s` and `frozen_s` are {TIMEOUT_S:g} s, the dead-man's time of the pins "
        f"1 s, the seed {seed}. After each fault was told, an output is set by command. "
        f"{' and '.join(HARMLESS)} are shrugged off once in each round.",
        [*told.values(), *again.values(), answers],
    )
    began_s = time.monotonic()
    count = 0
    while (spent_s := time.monotonic() - began_s) < seconds:
        faults = [*TOLD, *HARMLESS, *[KILL] * (KILLS_PER_ROUND - 1)]
        chance.shuffle(faults)
        try:
            with tempfile.TemporaryDirectory() as folder, whole(Path(folder)) as running:
                for fault in faults:
                    spent_s = time.monotonic() - began_s
                    progress(spent_s, seconds, f"{count} faults, {len(part.failures)} failures")
                    # A camera that has been there for a while.
                    time.sleep(0.6)
                    if fault in HARMLESS:
                        running.shrugs_off(fault)
                    else:
                        _note(running.suffers(fault), told[fault], again[fault], fault)
                    count += 1
                answers.took_ms.append(1e3 * running.answer_s)
        except AssertionError as failure:
            part.failures.append(f"{fault}: {failure}")
    return part


def _note(course: Course, told: Row, again: Row, fault: str) -> None:
    told.took_ms.append(1e3 * course.told_s)
    again.took_ms.append(1e3 * course.again_s)
    if fault in ODD:
        told.limit_ms = 2e3 * TIMEOUT_S + LATE_MS
