"""``edged run`` with its pins on the chip in a file, and with ways to die on demand.

``python -m tests.guard.daemon FILE run --config ...``; SIGUSR1 hangs its loop, with the
interpreter's lock held; SIGUSR2 makes it large; ``IMPORT_FAILS_AFTER_S`` lets an import
fail, so long after the guard has been started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

from edged import build, cli
from edged.guard import process

SWOLLEN_BYTES = 300 << 20
swollen: list[bytes] = []


def hang(*_: object) -> None:
    # A native call that does not let go of the interpreter, as an inference may be.
    ctypes.PyDLL(None).sleep(3600)


def swell(*_: object) -> None:
    swollen.append(os.urandom(1 << 20) * (SWOLLEN_BYTES >> 20))


def fail(*_: object) -> None:
    time.sleep(float(os.environ["IMPORT_FAILS_AFTER_S"]))
    raise ImportError("libedgetpu.so.1: cannot open shared object file")


if __name__ == "__main__":
    file, *words = sys.argv[1:]
    process.COMMAND = (sys.executable, "-m", "tests.guard.chip", file)
    signal.signal(signal.SIGUSR1, hang)
    signal.signal(signal.SIGUSR2, swell)
    if "IMPORT_FAILS_AFTER_S" in os.environ:
        build.admitted = fail  # type: ignore[assignment]
    sys.exit(cli.main(words))
