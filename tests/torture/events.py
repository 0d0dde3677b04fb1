"""Kills and power cuts while events are made; a last write that is torn at every offset."""

from __future__ import annotations

import logging
import random
import time
from typing import NamedTuple

from tests.journal.torn import Written
from tests.kills import WINDOW_MS, killed
from tests.mosquitto import mosquitto
from tests.observed import quick_folder
from tests.power import available
from tests.torture.part import Part, Row, progress


class Ending(NamedTuple):
    """A way to end a daemon: how often at most, in which share of the time, and on what disk.

    Without ``block_bytes``, the size of the disk's blocks, its power is not cut.
    """

    most: int
    share: float
    block_bytes: int | None = None


ENDINGS = {
    "kill -9": Ending(1000, 0.5),
    "power cut": Ending(200, 0.2, 4096),
    "power cut, a disk of small blocks": Ending(200, 0.15, 1024),
}

TORN_SHARE = 0.15


def run(seconds: float, seed: int) -> Part:
    """At least one of each; as many as in `ENDINGS`, and every offset, as the time allows."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    part = Part("Events arrive", "")
    if mosquitto() is None:
        part.failures.append("mosquitto is not installed")
        return part
    with quick_folder() as folder:
        powered = available(folder / "probe")
    told = []
    for what, ending in ENDINGS.items():
        if ending.block_bytes and not powered:
            continue
        row = Row(f"{what}: the oldest event that it lost, made so long before", [], WINDOW_MS)
        part.rows.append(row)
        _ends(what, ending, seconds * ending.share, chance, row, part)
        told.append(f"{len(row.took_ms)} times {what}")
    torn = _torn(seconds * TORN_SHARE, chance, part)
    part.about = (
        f"{', '.join(told)}: each of a whole daemon that makes 25 events a second, at real-time "
        "priority, while mosquitto goes up and down by chance; a power cut is that of ext4 on a "
        "loop device that stops without a flush. After each, what the journal has must be in "
        "order, each number once, and equal to what came to the broker; a gap must tell of each "
        f"number that is lost. {torn} The seed is {seed}."
    )
    return part


def _ends(
    what: str, ending: Ending, seconds: float, chance: random.Random, row: Row, part: Part
) -> None:
    began_s = time.monotonic()
    while not row.took_ms or (
        len(row.took_ms) < ending.most and time.monotonic() - began_s < seconds
    ):
        # A daemon that has failed once is not tried again.
        with quick_folder() as folder, killed(folder, ending.block_bytes) as once:
            try:
                while len(row.took_ms) < ending.most:
                    spent_s = time.monotonic() - began_s
                    told = f"{len(row.took_ms)} times {what}, {len(part.failures)} failures"
                    progress(spent_s, max(seconds, 1.0), told)
                    row.took_ms.append(once(chance))
                    if time.monotonic() - began_s > seconds and len(row.took_ms) > 1:
                        break
            except AssertionError as failure:
                part.failures.append(f"{what} {len(row.took_ms) + 1}: {failure}")
                row.took_ms.append(0.0)


def _torn(seconds: float, chance: random.Random, part: Part) -> str:
    began_s, tried = time.monotonic(), 0
    logging.disable(logging.ERROR)
    try:
        with quick_folder() as folder:
            written = Written(folder)
            torn = list(written.torn())
            chance.shuffle(torn)
            for tried, one in enumerate(torn, 1):
                try:
                    written.check(one)
                except AssertionError as failure:
                    part.failures.append(f"{one.what} at {one.offset}: {failure}")
                if tried >= 50 and time.monotonic() - began_s > seconds:
                    break
    finally:
        logging.disable(logging.NOTSET)
    return (
        f"The last write to the journal's files (database, log, mark) was torn at {tried:,} "
        f"different places (every byte would be {len(torn):,}: cut, or followed by zeros or by "
        "what was there before): after each start the transactions before are there, the last one "
        "whole or not at all, and no number is given twice."
    )
