"""A daemon whose camera's process dies, hangs, falls silent and shows nonsense, again and again."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from edged.cameras.isolation.source import LIVED_S
from tests.cameras.isolation.whole import HARMLESS, TIMEOUT_S, TOLD, whole
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
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        # One daemon goes through all of it, as long as it has no failure.
        try:
            with tempfile.TemporaryDirectory() as folder, whole(Path(folder)) as running:
                while time.monotonic() < until_s:
                    for fault in _round(chance):
                        left_s = until_s - time.monotonic()
                        told_so_far = sum(len(row.took_ms) for row in told.values())
                        progress(
                            seconds - left_s,
                            seconds,
                            f"{told_so_far} faults, {len(part.failures)} failures",
                        )
                        if left_s <= 0:
                            break
                        # Of a camera that has been there for a while.
                        time.sleep(LIVED_S + 0.1)
                        if fault in HARMLESS:
                            running.shrugs_off(fault)
                        else:
                            course = running.suffers(fault)
                            told[fault].took_ms.append(1e3 * course.told_s)
                            again[fault].took_ms.append(1e3 * course.again_s)
                    answers.took_ms.append(1e3 * running.answer_s)
                    running.answer_s = 0.0
        except AssertionError as failure:
            part.failures.append(f"{fault}: {failure}")
    return part


def _round(chance: random.Random) -> list[str]:
    faults = [*TOLD, *HARMLESS, *[KILL] * (KILLS_PER_ROUND - 1)]
    chance.shuffle(faults)
    return faults
