"""What is done to edged on purpose, again and again, with times: ``python -m tests.torture``.

Each part is bounded in time, says how far it is, and gives a section of the report. A part that is
not run keeps the section that it has there. The exit status is 1 if a limit was missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.torture import camera, fresh, fuzz, guard, receipts, swap
from tests.torture.part import Part

ABOUT = """\
# Torture

Made by `make torture`; `ARGS="--only guard --seconds 600 --seed 1"` names parts, time and seed.

"""


class _Torture(NamedTuple):
    run: Callable[[float, int], Part]
    seconds: float


PARTS = {
    "fuzz": _Torture(fuzz.run, 600.0),
    "guard": _Torture(guard.run, 600.0),
    "camera": _Torture(camera.run, 1800.0),
    "fresh": _Torture(fresh.run, 120.0),
    "receipts": _Torture(receipts.run, 900.0),
    "swap": _Torture(swap.run, 1200.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Torture edged, and write what came of it.")
    parser.add_argument("--only", help=f"parts, with commas: {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, help="the time of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the report here (Markdown)")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no part is named {', '.join(sorted(unknown))}")
    missed = False
    for name in wanted:
        torture = PARTS[name]
        part = torture.run(arguments.seconds or torture.seconds, arguments.seed)
        print(f"\n{part.section(name, _machine())}")
        missed |= not part.met
        if arguments.out is not None:
            _write(arguments.out, name, part.section(name, _machine()))
    return 1 if missed else 0


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    busy = os.getloadavg()[0]
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}, load {busy:.1f}"
    )


def _write(out: Path, name: str, section: str) -> None:
    """Put the section in the place of the one of this name, or at the end."""
    text = out.read_text() if out.exists() else ""
    found = re.findall(r"^(<!-- (\w+) -->\n.*?)(?=^<!-- |\Z)", text, re.MULTILINE | re.DOTALL)
    sections = {there: whole for whole, there in found}
    sections[name] = section
    out.write_text(ABOUT + "\n".join(part.rstrip() + "\n" for part in sections.values()))


if __name__ == "__main__":
    raise SystemExit(main())
