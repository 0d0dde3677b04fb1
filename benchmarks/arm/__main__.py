"""``python -m benchmarks.arm [--check] [--cores cortex-a76]``, on the image that `image.mk` makes.

A run of all cores is written to docs/benchmarks-arm.json and into docs/benchmarks.md; with
``--check`` nothing is written, and the exit status is 1 where a frame takes more above its invoke
than is committed, 2 where there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.arm import computer, report

IMAGE = Path("build/arm")


def main() -> int:
    """0, or what the guard says."""
    parser = argparse.ArgumentParser(prog="benchmarks.arm")
    parser.add_argument(
        "--check", action="store_true", help="compare with what is committed, and write nothing"
    )
    parser.add_argument(
        "--cores", default="", help=f"some of {','.join(report.CORES)}; nothing is written then"
    )
    arguments = parser.parse_args()
    wanted = arguments.cores.split(",") if arguments.cores else list(report.CORES)
    if unknown := set(wanted) - set(report.CORES):
        parser.error(f"no such core: {', '.join(sorted(unknown))}")
    known = computer.cores()
    for core in wanted:
        if core not in known:
            print(f"{core}: this qemu has no such core", file=sys.stderr)
    if arguments.check and not report.COMMITTED.exists():
        parser.error(f"{report.COMMITTED.name} is not there: run it without --check first")
    try:
        measured = _measure([core for core in wanted if core in known])
    except RuntimeError as error:
        print(f"benchmarks.arm: {error}", file=sys.stderr)
        return 1
    cores = {
        core: {name: round(figure, 5) for name, figure in said["figures"].items()}
        for core, said in measured.items()
    }
    if arguments.check:
        return check(report.load()["cores"], cores)
    first = next(iter(measured.values()))
    document = {
        "about": {"source": _commit(), "qemu": computer.version(), **first["about"]},
        "absent": [core for core in wanted if core not in known],
        "features": {core: said["features"] for core, said in measured.items()},
        "cores": cores,
    }
    section = report.section(document)
    print(section)
    if not arguments.cores:
        _replace(report.COMMITTED, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        _replace(report.PAGE, report.put(report.PAGE.read_text(), section))
    return 0


def _measure(cores: list[str]) -> dict[str, dict[str, Any]]:
    """What each core says, as many at once as this machine has: counts do not depend on load."""

    def one(core: str) -> dict[str, Any]:
        began_s = time.monotonic()
        said = computer.measured(IMAGE, core)
        print(f"{core}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
        return said

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(cores, pool.map(one, cores), strict=True))


def check(committed: Mapping[str, report.Figures], now: Mapping[str, report.Figures]) -> int:
    """1 where a frame takes more than is committed, 2 where no frame is in both."""
    verdicts = report.compare(committed, now)
    print("\n".join(map(str, verdicts)) or "no frame that is committed was measured")
    return int(any(verdict.failed for verdict in verdicts)) if verdicts else 2


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "not told"


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
