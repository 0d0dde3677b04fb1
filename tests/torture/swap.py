"""Models that are swapped under load, a third of them bad; power cuts in the middle of a swap."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edged.errors import CommandError
from tests.mosquitto import wait_until
from tests.power import Disk, Swapping, available, check_whole
from tests.swaps import (
    BAD,
    FPS,
    Swapped,
    good,
    good_with_other_labels,
    quick_quarantine,
    swapped,
)
from tests.torture.part import Part, Row, progress

POWER_CUTS = 100
POWER_SHARE = 0.25
"""Of the time, for the power cuts."""

BUSY = "while True: pass"

MORE_DROPPED = 2.0
"""Frames that a swap may cost: while the runtime prepares a model's weights it holds the
interpreter's lock."""

ERRORS = 3.0
"""By how many standard errors the share of dropped frames must differ to be no chance."""


def run(seconds: float, seed: int) -> Part:
    """As many swaps as the time allows, and `POWER_CUTS`."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    part = Part("Models are swapped while edged runs", "", [])
    with tempfile.TemporaryDirectory() as folder:
        told = _swaps(Path(folder), seconds * (1 - POWER_SHARE), chance, part)
    with tempfile.TemporaryDirectory() as folder:
        told += _power_cuts(Path(folder), seconds * POWER_SHARE, chance, part)
    part.about = f"{told} The seed is {seed}."
    return part


def _swaps(folder: Path, seconds: float, chance: random.Random, part: Part) -> str:
    taken = Row("a good model, from the command until it is taken", [], None)
    rows = {way: Row(f"{way}, until it is refused", [], None) for way in BAD}
    part.rows += [taken, *rows.values()]
    frames: dict[str, list[tuple[int, int]]] = {"with": [], "without": []}
    swaps = 0
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        with quick_quarantine(), swapped(folder) as daemon:
            began_s = time.monotonic()
            ways: list[str] = []
            name = "own"
            while (spent_s := time.monotonic() - began_s) < seconds:
                progress(spent_s, seconds, f"{swaps} swaps, {len(part.failures)} failures")
                swaps += 1
                path = folder / f"model{swaps}.tflite"
                if swaps % 3:
                    way = ""
                    make = good if chance.random() < 0.8 else good_with_other_labels
                else:
                    ways = ways or chance.sample(sorted(BAD), len(BAD))
                    way = ways.pop()
                    make = BAD[way].make
                fields = make(path)
                before, swap_s = _frames(daemon), time.monotonic()
                try:
                    if way:
                        told = daemon.refused(BAD[way], path, fields)
                        if BAD[way].refused not in told:
                            part.failures.append(f"swap {swaps}, {way}: {told}")
                    else:
                        name = path.stem
                        daemon.use(path, **fields)
                except (AssertionError, CommandError) as failure:
                    part.failures.append(f"swap {swaps}, {way or 'good'}: {failure}")
                swap_s = time.monotonic() - swap_s
                (rows[way] if way else taken).took_ms.append(1e3 * swap_s)
                frames["with"].append(_since(before, _frames(daemon)))
                _check(daemon, name, swaps, part)
                before = _frames(daemon)
                time.sleep(min(swap_s, 1.0))
                frames["without"].append(_since(before, _frames(daemon)))
                for left in folder.glob(f"model{swaps}.*"):
                    if left.is_file():
                        left.unlink()
    finally:
        busy.kill()
        busy.wait()
    came = {key: sum(came for came, _ in windows) for key, windows in frames.items()}
    dropped = {
        key: sum(lost for _, lost in windows) / max(came[key], 1) for key, windows in frames.items()
    }
    error = math.hypot(*(_standard_error(windows) for windows in frames.values()))
    frames_each = came["with"] / max(swaps, 1)
    more = (dropped["with"] - dropped["without"]) * frames_each
    if more > MORE_DROPPED + ERRORS * error * frames_each:
        part.failures.append(f"a swap drops {more:.1f} frames, more than {MORE_DROPPED:g}")
    return (
        f"{swaps} swaps, of which a third were of models that are bad in {len(BAD)} ways, in a "
        f"whole daemon that decides on {FPS:g} frames a second beside a process that never rests. "
        f"Of the frames, {dropped['with']:.2%} were dropped during swaps "
        f"({came['with']} frames), {dropped['without']:.2%} between them ({came['without']}); the "
        f"standard error of the difference is {error:.2%}: {more:.1f} frames more for a swap, of "
        f"which {MORE_DROPPED:g} are allowed. After each swap the daemon, the disk "
        "and the rule, whose label is seen all the time, must be in their right state; any event "
        "of that rule is a failure."
    )


def _frames(daemon: Swapped) -> tuple[int, int]:
    """Frames that came, and those that were dropped."""
    status = daemon.status()
    return status["frames"] + status["dropped"], status["dropped"]


def _since(before: tuple[int, int], after: tuple[int, int]) -> tuple[int, int]:
    return after[0] - before[0], after[1] - before[1]


def _standard_error(windows: list[tuple[int, int]]) -> float:
    """Of the share of dropped frames, by how it differs from window to window."""
    shares = [lost / came for came, lost in windows if came]
    if len(shares) < 2:
        return 1.0
    return statistics.stdev(shares) / math.sqrt(len(shares))


def _check(daemon: Swapped, name: str, swaps: int, part: Part) -> None:
    """The state after a swap."""
    # A model with other labels has decided on nothing before its first frame.
    wait_until(lambda: "cat" in daemon.status()["rules"])
    status = daemon.status()
    running = daemon.daemon
    assert running is not None
    expected = None if name == "own" else name
    on_disk, slots = daemon.on_disk()
    for what, found, right in (
        ("the model", status["model"], name),
        ("the rule", status["rules"]["cat"]["active"], True),
        ("the lamp", status["outputs"], {"lamp": 1.0}),
        ("events of the rule", running._journal.events.get("cat"), 1),
        ("the model on the disk", on_disk, expected),
        ("slots on the disk", len(slots) <= 2, True),
        ("the loop's ports", len(running._pipeline.ports), len(running._ports.all)),
    ):
        if found != right:
            part.failures.append(f"swap {swaps}: {what}: {found}, not {right}")


def _power_cuts(folder: Path, seconds: float, chance: random.Random, part: Part) -> str:
    if not available(folder / "probe"):
        return " No power was cut: that needs root, a loop device and ext4."
    disk = Disk(folder)
    began_s = time.monotonic()
    cuts = swaps = 0
    while cuts < POWER_CUTS and (spent_s := time.monotonic() - began_s) < seconds:
        progress(spent_s, seconds, f"{cuts} power cuts, {len(part.failures)} failures")
        with disk:
            swapping = Swapping(disk.place / "slots")
            finished = swapping.cut_after(chance.uniform(0.0, 0.3), disk.cut)
        swaps += finished
        cuts += 1
        try:
            with disk:
                check_whole(disk.place / "slots", finished)
        except AssertionError as failure:
            part.failures.append(f"power cut {cuts}: {failure}")
    return (
        f" {cuts} power cuts in the middle of a swap, on ext4 that stops without a flush, after "
        f"{swaps} finished swaps: the current model must be whole, and that of the last finished "
        "swap or of the one that was under way."
    )
