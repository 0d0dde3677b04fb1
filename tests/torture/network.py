"""A network with 15 faults, again and again: does the loop notice, and is all right afterwards?"""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.mosquitto import mosquitto
from tests.networks import DAY, DAY_EVENTS, FAULTS, SMALL_BYTES, Scene, scene
from tests.observed import quick_folder, settled
from tests.pki import available
from tests.torture.part import Part, Row, progress

WORSE = 1.2
"""By how much the p99 of the time between frames may exceed that without a fault."""

GROWTH_MB = 32.0
"""By how much the daemon's memory may grow while all faults come."""

WINDOW_S = 8.0
"""How long a fault lasts, and the quiet time before it."""


def run(seconds: float, seed: int, window_s: float = WINDOW_S) -> Part:
    """At least one round of all faults, in an order by chance; more as the time allows."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    quiet = Row("nothing", [], None)
    rows = {name: Row(name, [], None) for name in (DAY, *FAULTS)}
    part = Part("A network with faults", "", [quiet, *rows.values()])
    if mosquitto() is None or not available():
        part.failures.append("mosquitto or openssl is not installed")
        return part
    with quick_folder() as folder:
        part.about = f"{_rounds(folder, seconds, window_s, chance, part)} The seed is {seed}."
    limit_ms = round(WORSE * quiet.at(0.99), 1) if quiet.took_ms else None
    for row in rows.values():
        row.limit_ms = limit_ms
    return part


def _rounds(
    folder: Path, seconds: float, window_s: float, chance: random.Random, part: Part
) -> str:
    rows = {row.what: row for row in part.rows}
    with scene(folder) as made:
        at_real_time = made.daemon.at_real_time()

        def measure(name: str) -> None:
            began_s = time.monotonic()
            settled(began_s, window_s)
            rows[name].took_ms += made.daemon.intervals_ms(began_s)
            most_mb.append(made.daemon.rss_mb())

        most_mb: list[float] = []
        made.restore()
        measure(DAY)
        _check(made, DAY, part)
        first_mb = made.daemon.rss_mb()
        began_s, rounds = time.monotonic(), 0
        while rounds == 0 or time.monotonic() - began_s < seconds:
            for name in chance.sample(sorted(FAULTS), len(FAULTS)):
                spent_s = time.monotonic() - began_s
                progress(spent_s, seconds, f"{name}, {len(part.failures)} failures")
                measure("nothing")
                try:
                    with FAULTS[name](made):
                        measure(name)
                finally:
                    made.restore()
                _check(made, name, part)
            rounds += 1
    grown_mb = max(most_mb) - first_mb
    if grown_mb > GROWTH_MB:
        part.failures.append(f"the memory has grown by {grown_mb:.0f} MB")
    return (
        f"The times are those between two frames of a whole daemon (50 frames a second"
        f"{', at real-time priority' if at_real_time else ''}), which reaches mosquitto by TLS "
        f"through a proxy with faults, for {window_s:g} s at a time, and as long without a fault "
        f"before each; {rounds} rounds. The limit is {WORSE:g} times the p99 without a fault. The "
        f"daemon starts without a broker, with the {DAY_EVENTS:,} events of a day in its journal. "
        f"The broker of small packets takes {SMALL_BYTES:,} bytes. After each fault commands must "
        "be answered and carried out, and every event must have come to the broker, each with one "
        f"content. The daemon's memory was {first_mb:.0f} MB before the first fault and "
        f"{max(most_mb):.0f} MB at most ({GROWTH_MB:g} MB more are allowed)."
    )


def _check(made: Scene, name: str, part: Part) -> None:
    try:
        made.audience.is_right()
        assert not made.audience.subscriber.gaps, made.audience.subscriber.gaps
    except AssertionError as failure:
        part.failures.append(f"after {name}: {failure}")
