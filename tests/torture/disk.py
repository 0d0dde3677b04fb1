"""A disk with faults, under a daemon that runs or starts; files of its state that are torn."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.disks import DAMAGE, FAULTS, Scene, TornScene, scene
from tests.mosquitto import mosquitto
from tests.observed import quick_folder, settled
from tests.power import available
from tests.torture.network import WORSE
from tests.torture.part import Part, Row, progress

BLOCKS_BYTES = (4096, 1024)
"""In turns, those of ext4 on an SD card, and on a small partition or disk."""

TORN_SHARE = 0.4
"""Of the time, for files that are torn."""

WINDOW_S = 10.0
"""How long a fault lasts, and the quiet time before it."""


def run(seconds: float, seed: int, window_s: float = WINDOW_S) -> Part:
    """At least one round of all faults and one damage to each file; more as the time allows."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    quiet = Row("nothing", [], None)
    rows = {name: Row(name, [], None) for name in FAULTS}
    part = Part("A disk with faults", "", [quiet, *rows.values()])
    if mosquitto() is None:
        part.failures.append("mosquitto is not installed")
        return part
    with quick_folder() as folder:
        if not available(folder / "probe"):
            told = "No disk had a fault: that needs root, a loop device and ext4."
        else:
            told = _rounds(folder, seconds * (1 - TORN_SHARE), window_s, chance, part)
    with quick_folder() as folder:
        told += _torn(folder, seconds * TORN_SHARE, chance, part)
    part.about = f"{told} The seed is {seed}."
    limit_ms = round(WORSE * quiet.at(0.99), 1) if quiet.took_ms else None
    for row in rows.values():
        row.limit_ms = limit_ms
    return part


def _rounds(
    folder: Path, seconds: float, window_s: float, chance: random.Random, part: Part
) -> str:
    rows = {row.what: row for row in part.rows}
    began_s, rounds = time.monotonic(), 0

    def measure(made: Scene, name: str) -> None:
        made.daemon.at_real_time()
        since_s = time.monotonic()
        settled(since_s, window_s)
        rows[name].took_ms += made.daemon.intervals_ms(since_s)

    while rounds == 0 or time.monotonic() - began_s < seconds:
        place = folder / f"round{rounds}"
        place.mkdir()
        with scene(place, BLOCKS_BYTES[rounds % 2]) as made:
            for name in chance.sample(sorted(FAULTS), len(FAULTS)):
                spent_s = time.monotonic() - began_s
                progress(spent_s, seconds, f"{name}, {len(part.failures)} failures")
                measure(made, "nothing")
                try:
                    with FAULTS[name](made):
                        measure(made, name)
                        made.audience.is_right(gaps_told=False)
                    made.audience.is_right()
                    made.stores_again()
                except AssertionError as failure:
                    part.failures.append(f"{name}: {failure}")
        rounds += 1
    return (
        "The times are those between two frames of a whole daemon (50 frames a second, at "
        "real-time priority), whose state is on ext4 on a loop device, in turns with blocks of "
        f"4096 and 1024 bytes, for {window_s:g} s at a time: full; frozen, so that every write "
        "waits for so long; stopped by an error of the file system or without a flush, as in a "
        "power cut, after which the daemon starts again; "
        f"and the same at a start. {rounds} rounds. The limit is {WORSE:g} times the p99 without a "
        "fault. During each fault commands must be answered and carried out, and every event must "
        "reach the broker; afterwards every number is an event or in a gap, none is two events, "
        "and new events are on the disk."
    )


def _torn(folder: Path, seconds: float, chance: random.Random, part: Part) -> str:
    try:
        torn = TornScene(folder)
    except AssertionError as failure:
        part.failures.append(f"the state could not be made: {failure}")
        return ""
    began_s, outcomes = time.monotonic(), {"started": 0, "refused": 0}
    left: list[tuple[Path, str]] = []
    rounds = 0
    while rounds == 0 or (left and time.monotonic() - began_s < seconds):
        if rounds == 0:
            # One damage to each file comes first, then all others in an order by chance.
            left = [(name, damage) for name in torn.files for damage in DAMAGE]
            chance.shuffle(left)
            first = [next(one for one in left if one[0] == name) for name in torn.files]
            left = [one for one in left if one not in first]
        else:
            first = [left.pop()]
        for name, damage in first:
            rounds += 1
            spent_s = time.monotonic() - began_s
            progress(spent_s, max(seconds, 1.0), f"{rounds} starts, {len(part.failures)} failures")
            try:
                outcomes[torn.start_with(name, damage, chance)] += 1
            except AssertionError as failure:
                part.failures.append(f"{name}, {damage}: {failure}")
    return (
        f" {rounds} starts with one of {len(torn.files)} files of the state directory damaged in "
        f"one of {len(DAMAGE)} ways (emptied, cut, zeros, rubbish): {outcomes['started']} started, "
        f"decided and used no number twice; {outcomes['refused']}, with the changes of the page "
        "damaged, were refused with one line, because a privacy mask must not silently disappear."
    )
