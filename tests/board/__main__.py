"""edged on a whole virtual computer, whose disk `make board` builds: ``python -m tests.board``.

Each check is one line: PASS or FAIL, and what was seen. The exit status is 1 if one failed.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.board.checks import Picture
from tests.board.faults import FaultChecks
from tests.board.machine import CORES, Machine
from tests.board.pins import DEATHS_S, PinChecks
from tests.board.service import ServiceChecks
from tests.board.web import WebChecks

IMAGES = Path("build/board")
BASE = frozenset(
    name.replace("_", " ")
    for name in (
        "the_service_starts_under_systemd",
        "the_picture_decides_what_is_seen",
        "reload_takes_over_a_right_configuration",
        "the_web_unit_starts_with_its_own_user",
    )
)
"""What other checks stand on."""

BOARDS = {"": "", "cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5"}

ABOUT = """\
Debian's own kernel and systemd, started in an emulated computer (qemu without KVM) with two cameras
(the kernel's `vivid`), a GPIO chip (the kernel's `gpio-sim`; a released line keeps its level, as on
a Raspberry Pi) and mosquitto. edged was put in by `make install`.
"""


class Line(NamedTuple):
    """What came of one check."""

    verdict: str
    what: str
    seen: str


class Told(NamedTuple):
    """What a computer was, and what came of its checks."""

    core: str
    versions: str
    lines: list[Line]

    @property
    def failed(self) -> int:
        return sum(line.verdict == "FAIL" for line in self.lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Check edged on a virtual computer.")
    parser.add_argument("--out", type=Path, help="write the report here (Markdown)")
    parser.add_argument(
        "--arch", choices=("amd64", "arm64"), default="amd64", help="of the disk (%(default)s)"
    )
    parser.add_argument(
        "--cores",
        default=",".join(CORES),
        help="of an arm64 board (%(default)s), one after another",
    )
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="checks whose name has it, and what they need"
    )
    parser.add_argument(
        "--deaths-s",
        type=float,
        default=DEATHS_S,
        help="how long daemons are killed in all ways (%(default)g s)",
    )
    arguments = parser.parse_args()
    cores = arguments.cores.split(",") if arguments.arch == "arm64" else [""]
    if unknown := set(cores) - set(BOARDS):
        parser.error(f"no such core: {', '.join(sorted(unknown))}")
    told = [
        _check(IMAGES / arguments.arch, core, arguments.only, arguments.deaths_s) for core in cores
    ]
    if arguments.out is not None:
        arguments.out.write_text(_report(told))
    return int(any(one.failed for one in told))


def _check(image: Path, core: str, only: str, deaths_s: float) -> Told:
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, Path(folder), core)
        try:
            booted_s = machine.start()
            versions = machine.tell(
                "uname -r; systemctl --version | head -1 | cut -d' ' -f2; "
                "python3 --version; edged --help >/dev/null; edged version | head -1"
            ).splitlines()
            print(f"{core} up after {booted_s:.0f} s: {', '.join(versions)}".strip(), flush=True)
            for what, check in _wanted(machine, only, deaths_s):
                began_s = time.monotonic()
                try:
                    verdict, seen = "PASS", check()
                except (AssertionError, OSError, RuntimeError, LookupError, ValueError) as failure:
                    verdict, seen = "FAIL", " ".join(str(failure).split())
                lines.append(Line(verdict, what, seen))
                took_s = time.monotonic() - began_s
                print(f"{verdict} {what}: {seen} ({took_s:.0f} s)", flush=True)
        finally:
            machine.cut()
    kernel, systemd, python, edged = versions
    told = Told(core, f"Kernel {kernel}, systemd {systemd}, {python}, {edged}", lines)
    print(f"{len(lines)} checks, {told.failed} failed")
    return told


def _wanted(
    machine: Machine, only: str, deaths_s: float
) -> Iterator[tuple[str, Callable[[], str]]]:
    pattern = re.compile(only)
    picture = Picture()
    checks = (
        ServiceChecks(machine, picture),
        PinChecks(machine, picture, deaths_s),
        FaultChecks(machine, picture),
        WebChecks(machine, picture),
    )
    for what, check in chain.from_iterable(checks):
        if what in BASE or pattern.search(what):
            yield what, check


def _report(told: list[Told]) -> str:
    """Markdown. Boards that ran the same checks are columns of one table."""
    where = " on 64-bit Arm" if told[0].core else ""
    command = "make board ARCH=arm64" if told[0].core else "make board"
    parts = [f"# A virtual single-board computer{where}\n\nMade by `{command}`: {ABOUT}"]
    for one in told:
        title = f"\n## {_title(one.core)}, as in a {BOARDS[one.core]}\n" if one.core else ""
        table = "".join(
            f"| {line.what} | {line.verdict} | {line.seen.replace('|', chr(92) + '|')} |\n"
            for line in one.lines
        )
        parts.append(
            f"{title}\n{one.versions}. {len(one.lines)} checks, {one.failed} failed.\n\n"
            f"| what | | seen |\n|---|---|---|\n{table}"
        )
    return "".join(parts)


def _title(core: str) -> str:
    return core.replace("cortex-a", "Cortex-A")


if __name__ == "__main__":
    raise SystemExit(main())
