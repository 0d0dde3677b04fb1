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
"""From the end of the daemon to the last output's safe level."""

LATE_MS = 50.0
"""Beyond the dead-man's time, after the last beat."""

AGAIN_MS = 1000.0
"""From the death of a guard to the levels by a new one."""

GUARD = "SIGKILL of the guard"


def run(seconds: float, seed: int) -> Part:
    """As many deaths as the time allows, of each way as many, in an order by chance."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    rows = {way: Row(f"{way}, after the death", [], OFF_MS) for way in (*GONE, IMPORT_ERROR)}
    late_ms = DEADMAN_S * 1e3 + LATE_MS
    rows |= {way: Row(f"{way}, after the last beat", [], late_ms) for way in STALLED}
    rows[GUARD] = Row(f"{GUARD}, until the levels are set by a new one", [], AGAIN_MS)
    part = Part(
        "The guard of the pins",
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
                    rows[way].took_ms.append(1e3 * _once(Path(folder), way, chance))
            except AssertionError as failure:
                part.failures.append(f"{way}: {failure}")
            deaths += 1
    return part


def _once(folder: Path, way: str, chance: random.Random) -> float:
    if way == GUARD:
        return _guard_dies(folder)
    safe = dies(folder, way, chance.uniform(0.0, 0.4))
    return safe.after_beat_s if way in STALLED else max(0.0, safe.after_death_s)


def _guard_dies(folder: Path) -> float:
    with daemon(folder) as running:
        (guard,) = running.guards()
        began_s = time.monotonic()
        os.kill(guard, signal.SIGKILL)
        # The pin as its chip left it, not as it should be: only a new guard puts it right.
        running.levels.put_by_hand("LAMP", 0)
        wait_until(lambda: running.is_on)
        return running.levels.changed_s("LAMP") - began_s
