"""``python -m benchmarks [--only frame,start] [--out docs]``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before numpy is imported, as edged's own command line has it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks import (
    cameras,
    frame,
    growth,
    latency,
    machine,
    process,
    recording,
    report,
    runtimes,
    scheduling,
    search,
    still_scenes,
    web,
)
from benchmarks.broker import mosquitto
from benchmarks.results import Part

PARTS: dict[str, Callable[[Path, int], Part]] = {
    "frame": frame.measure,
    "latency": latency.measure,
    "start": process.start,
    "commands": process.commands,
    "files": lambda folder, _port: process.files(folder),
    "idle": process.idle,
    "still": lambda folder, _port: still_scenes.measure(folder),
    "endurance": growth.endurance,
    "runtimes": lambda folder, _port: runtimes.measure(folder),
    "scripts": runtimes.scripts,
    "rules": growth.rules,
    "labels": growth.labels,
    "cameras": cameras.measure,
    "sizes": lambda folder, _port: frame.sizes(folder),
    "rates": lambda folder, _port: latency.rates(folder),
    "triggers": lambda folder, _port: latency.triggers(folder),
    "journal": growth.journal,
    "recording": lambda folder, _port: recording.measure(folder),
    "web": web.measure,
    "search": lambda folder, _port: search.measure(folder),
    "scheduling": lambda folder, _port: scheduling.measure(folder),
}


def main() -> int:
    """Every part asked for, one after the other; 1 where a part could not be measured."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--only", default="", help=f"parts, by comma: {','.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the report goes")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    began_s = time.monotonic()
    described = machine.describe()
    done: dict[str, Part] = {}
    failed = False
    for name in wanted:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder:
            try:
                with mosquitto(Path(folder)) as port:
                    done[name] = PARTS[name](Path(folder), port)
            except (RuntimeError, OSError) as error:
                print(f"{name}: not measured: {error}", file=sys.stderr)
                failed = True
                continue
        for row in done[name].rows:
            print(f"  {row.what}: {row.measured} {row.target}", file=sys.stderr, flush=True)
    described["load average at the end"] = machine.describe()["load average"]
    report.write(arguments.out, described, done, time.monotonic() - began_s)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
