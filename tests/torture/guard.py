"""Daemons that die in seven ways while their outputs are on; guards that die while they work."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from tests.guard.deaths import DEADMAN_S, GONE, IMPORT_ERROR, STALLED, WAYS, daemon, dies
from tests.mosquitto import wait_until
from tests.torture.part import Part, Row, progress

OFF_MS = 20.0
"""From the daemon's end to the last output's safe level; from the signal, where it is small."""

LATE_MS = 50.0
"""Beyond the dead-man's time, after the last beat."""

AGAIN_MS = 1000.0
"""From the death of a guard to the levels by a new one."""

GUARD = "SIGKILL of the guard"
WANT = "want of memory"
FREED = "freed"


def run(seconds: float, seed: int) -> Part:
    """As many deaths as the time allows, of each way as many, in an order by chance."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    rows = {way: Row(f"{way}, after the signal", [], OFF_MS) for way in GONE}
    rows[WANT] = Row(f"{WANT}, after the end of a process of 400 MB", [], OFF_MS)
    rows[FREED] = Row(f"{WANT}, after SIGKILL: the kernel frees its memory first", [], None)
    rows[IMPORT_ERROR] = Row(f"{IMPORT_ERROR}, after the end", [], OFF_MS)
    late_ms = DEADMAN_S * 1e3 + LATE_MS
    rows |= {way: Row(f"{way}, after the last beat", [], late_ms) for way in STALLED}
    rows[GUARD] = Row(f"{GUARD}, until the levels are set by a new one", [], AGAIN_MS)
    part = Part(
        "The pin guard",
        "Until the last of three outputs (a rule's lamp, a relay that is on when it is low, a "
        "blinking bell) is at its safe level, seen from outside by the chip's own time stamps. "
        f"Each is a whole daemon with a camera and a model; the dead-man's time is {DEADMAN_S:g} "
        f"s, the seed {seed}.",
        list(rows.values()),
    )
    began_s = time.monotonic()
    deaths = 0
    while (spent_s := time.monotonic() - began_s) < seconds:
        ways = [*WAYS, GUARD]
        chance.shuffle(ways)
        for way in ways:
            progress(spent_s, seconds, f"{deaths} deaths, {len(part.failures)} failures")
            try:
                with tempfile.TemporaryDirectory() as folder:
                    for row, took_s in _once(Path(folder), way, chance).items():
                        rows[row].took_ms.append(1e3 * took_s)
            except AssertionError as failure:
                part.failures.append(f"{way}: {failure}")
            deaths += 1
    return part


def _once(folder: Path, way: str, chance: random.Random) -> dict[str, float]:
    """Seconds, by row."""
    if way == GUARD:
        return {GUARD: _guard_dies(folder)}
    safe = dies(folder, way, chance.uniform(0.0, 0.4))
    if way in STALLED:
        return {way: safe.after_beat_s}
    if way == WANT:
        return {WANT: safe.after_end_s, FREED: safe.after_signal_s}
    return {way: safe.after_end_s if way == IMPORT_ERROR else safe.after_signal_s}


def _guard_dies(folder: Path) -> float:
    with daemon(folder) as running:
        (guard,) = running.guards()
        began_s = time.monotonic()
        os.kill(guard, signal.SIGKILL)
        # The pin as its chip left it, not as it should be: only a new guard puts it right.
        running.levels.put_by_hand("LAMP", 0)
        wait_until(lambda: running.is_on)
        return running.levels.changed_s("LAMP") - began_s
