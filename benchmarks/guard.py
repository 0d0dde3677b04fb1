"""Fails where edged has become clearly slower, by ratios to the bare invoke of the same run.

What a frame costs above its invoke is taken as a share of that invoke, the median of several
repeats, each the quick end of frames in turns with the floor. It fails where the whole is more than
`ROOM` above what is committed, in parts of that share, plus the noise that the repeats show.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import material
from benchmarks.configuration import lamp
from benchmarks.frame import compare
from benchmarks.rig import Decode, rig, still
from edged.imaging.picture import decode_jpeg

COMMITTED = material.ROOT / "docs" / "benchmarks-guard.json"
REPEATS = 9
RUNS = 60
QUICK = 10
"""The percentile of frames that counts: those that no other process has interrupted."""

ROOM = 0.6
"""A doubled overhead is 1.0 above; what a busy core next door does is below 0.1."""


def shares(slower: float = 0.0) -> dict[str, list[float]]:
    """For each case the repeats' overheads above the invoke, as shares of it.

    `slower` repeats that part of the overhead in vain: the guard must see it.
    """
    found: dict[str, list[float]] = {}
    bundled = material.bundled()
    vga = still(material.picture(640, 480))
    full_hd = partial(decode_jpeg, material.full_hd_jpeg(), "guard")
    with tempfile.TemporaryDirectory(prefix="edged-guard-") as folder:
        many = "".join(
            f"[[rule]]\nname = 'rule{n}'\nlabels = ['cat']\nenter = 1.0\n" for n in range(1000)
        )
        both: dict[str, Decode] = {"frame": vga, "JPEG": full_hd}
        for text, cases in ((lamp(bundled), both), (many, {"frame, 1000 rules": vga})):
            with rig(Path(folder), bundled, text=text) as bench:
                for _ in range(REPEATS):
                    for name, decode in cases.items():
                        found_here = compare(bench, decode, RUNS)
                        share = found_here.whole.at(QUICK) / found_here.floor.at(QUICK) - 1
                        found.setdefault(name, []).append(share * (1 + slower))
    return found


def main() -> int:
    """0 where nothing is clearly slower, 1 where something is, 2 without committed ratios."""
    parser = argparse.ArgumentParser(prog="benchmarks.guard")
    parser.add_argument("--commit", action="store_true", help="write the ratios to compare with")
    parser.add_argument(
        "--slower", type=float, default=0.0, help="pretend so much more overhead: 1 is double"
    )
    arguments = parser.parse_args()
    found = shares(arguments.slower)
    if arguments.commit:
        medians = {name: round(float(np.median(values)), 4) for name, values in found.items()}
        COMMITTED.write_text(json.dumps(medians, indent=1) + "\n")
    try:
        committed: dict[str, float] = json.loads(COMMITTED.read_text())
    except OSError:
        print(f"{COMMITTED.name} is not there: make bench-guard ARGS=--commit", file=sys.stderr)
        return 2
    failed = False
    for name, values in found.items():
        now = float(np.median(values))
        noise = float(np.subtract(*np.percentile(values, [75, 25]))) / 2
        most = committed[name] * (1 + ROOM) + min(noise, 0.3 * committed[name])
        failed |= now > most
        print(
            f"{name}: {now:.3f} of an invoke above it (± {noise:.3f}), committed "
            f"{committed[name]:.3f}, at most {most:.3f}{'  SLOWER' if now > most else ''}"
        )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
