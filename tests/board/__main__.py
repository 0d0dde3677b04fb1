"""edged on a whole virtual computer, whose disk `make board` builds: ``python -m tests.board``.

Each check is one line: PASS or FAIL, and what was seen. The exit status is 1 if one failed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import chain
from pathlib import Path

from tests.board.checks import Checks
from tests.board.machine import Machine
from tests.board.web import WebChecks

IMAGE = Path("build/board")

ABOUT = """\
# A virtual single-board computer

Made by `make board`: Debian's own kernel and systemd, started in an emulated computer (qemu without
KVM) with two cameras (the kernel's `vivid`), a GPIO chip (the kernel's `gpio-sim`; a released line
keeps its level, as on a Raspberry Pi) and mosquitto. edged was put in by `make install`.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Check edged on a virtual computer.")
    parser.add_argument("--out", type=Path, help="write the report here (Markdown)")
    parser.add_argument(
        "--image", type=Path, default=IMAGE, help="folder of the disk (%(default)s)"
    )
    arguments = parser.parse_args()
    lines: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(arguments.image, Path(folder))
        try:
            booted_s = machine.start()
            versions = machine.tell(
                "uname -r; systemctl --version | head -1 | cut -d' ' -f2; "
                "python3 --version; edged --help >/dev/null; edged version | head -1"
            ).splitlines()
            print(f"up after {booted_s:.0f} s: {', '.join(versions)}", flush=True)
            for what, check in chain(Checks(machine), WebChecks(machine)):
                began_s = time.monotonic()
                try:
                    verdict, seen = "PASS", check()
                except (AssertionError, OSError, RuntimeError, LookupError, ValueError) as failure:
                    verdict, seen = "FAIL", " ".join(str(failure).split())
                lines.append((verdict, what, seen))
                took_s = time.monotonic() - began_s
                print(f"{verdict} {what}: {seen} ({took_s:.0f} s)", flush=True)
        finally:
            machine.cut()
    failed = sum(verdict == "FAIL" for verdict, _, _ in lines)
    print(f"{len(lines)} checks, {failed} failed")
    if arguments.out is not None:
        table = "".join(
            f"| {what} | {verdict} | {seen.replace('|', chr(92) + '|')} |\n"
            for verdict, what, seen in lines
        )
        kernel, systemd, python, edged = versions
        arguments.out.write_text(
            f"{ABOUT}Kernel {kernel}, systemd {systemd}, {python}, {edged}. "
            f"{len(lines)} checks, {failed} failed.\n\n| what | | seen |\n|---|---|---|\n{table}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
