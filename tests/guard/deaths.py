"""A daemon with a lamp that is on, the ways in which it dies, and when the lamp was safe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.guard.chip import Levels
from tests.mosquitto import wait_until

DEADMAN_S = 0.5
ROOT = Path(__file__).parent.parent.parent

CONFIG = """\
device = "deaths"
[camera]
kind = "directory"
source = "{root}/tests/pictures/cat.jpg"
fps = 50.0
[mqtt]
enabled = false
[control]
socket = "{folder}/edged.sock"
[journal]
max_events = 0
[gpio]
factory = "gpiod"
deadman_s = {deadman_s}
[[rule]]
name = "cat"
labels = ["cat"]
enter = 0.3
exit = 0.1
[[output]]
name = "lamp"
pin = "LAMP"
rule = "cat"
[[output]]
name = "relay"
pin = "RELAY"
action = "manual"
initial = 1.0
active_high = false
[[output]]
name = "bell"
pin = "BELL"
rule = "cat"
action = "blink"
blink_on_s = 0.05
blink_off_s = 0.05
"""


class Safe(NamedTuple):
    """Seconds to the last output's safe level: after the signal, the process's end, the last beat.

    The end is when the kernel has freed what the process had; 0 where all was safe before.
    """

    after_signal_s: float
    after_beat_s: float
    after_end_s: float = 0.0


class Daemon:
    """A process whose lamp is on."""

    def __init__(self, folder: Path, import_fails_after_s: float | None = None) -> None:
        self.levels = Levels(folder / "levels")
        config = folder / "edged.toml"
        config.write_text(CONFIG.format(root=ROOT, folder=folder, deadman_s=DEADMAN_S))
        fault = {}
        if import_fails_after_s is not None:
            fault["IMPORT_FAILS_AFTER_S"] = str(import_fails_after_s)
        self.began_s = time.monotonic()
        command = [sys.executable, "-m", "tests.guard.daemon", str(folder / "levels")]
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder)}
        with (folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "run", "--config", str(config)],
                cwd=ROOT,
                env=os.environ | state | fault,
                stderr=log,
            )

    def guards(self) -> list[int]:
        """The processes of its guards."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
        return [pid for pid in children if b"tests.guard.chip" in _command(pid)]

    @property
    def is_on(self) -> bool:
        """Lamp and relay are on; the relay is so at a low level."""
        return self.levels.of("LAMP") == 1 and self.levels.of("RELAY") == 0

    @property
    def is_safe(self) -> bool:
        levels = self.levels
        return (levels.of("LAMP"), levels.of("RELAY"), levels.of("BELL")) == (0, 1, 0)

    def wait_until_on(self) -> None:
        wait_until(lambda: self.is_on and self.levels.beat_s() > self.began_s)

    def die(self, way: Callable[[subprocess.Popen[bytes]], None]) -> Safe:
        """Let it die so while its lamp is on, and wait until all is safe."""
        began_s = time.monotonic()
        way(self.process)
        ended_s = float("inf")
        if way in GONE.values():
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            ended_s = time.monotonic()
        wait_until(lambda: self.is_safe)
        safe_s = max(self.levels.changed_s(name) for name in ("LAMP", "RELAY", "BELL"))
        beat_s = self.levels.beat_s()
        return Safe(safe_s - began_s, safe_s - beat_s, max(0.0, safe_s - ended_s))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _signalled(number: signal.Signals) -> Callable[[subprocess.Popen[bytes]], None]:
    return lambda process: process.send_signal(number)


GONE = {
    "SIGKILL": _signalled(signal.SIGKILL),
    "SIGSEGV": _signalled(signal.SIGSEGV),
    "SIGABRT": _signalled(signal.SIGABRT),
    "want of memory": _signalled(signal.SIGKILL),
}
"""The process is gone at once; where memory was wanted it is large, and the kernel's SIGKILL."""

STALLED = {
    "SIGSTOP": _signalled(signal.SIGSTOP),
    "hang in the loop": _signalled(signal.SIGUSR1),
}
"""The process is there, and its loop does not turn."""


IMPORT_ERROR = "import error"
"""The process ends while it starts."""

WAYS = (*GONE, *STALLED, IMPORT_ERROR)


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    """A daemon with its lamp on."""
    running = Daemon(folder)
    try:
        running.wait_until_on()
        yield running
    finally:
        running.end()


def dies(folder: Path, way: str, import_fails_after_s: float = 0.0) -> Safe:
    """A daemon with its lamp on dies in one of the ways of `GONE`, `STALLED` or an import."""
    if way == IMPORT_ERROR:
        levels = Levels(folder / "levels")
        for name in ("LAMP", "BELL"):
            # As a daemon without a guard would have left them.
            levels.put_by_hand(name, 1)
        running = Daemon(folder, import_fails_after_s)
        running.process.wait()
        ended_s = time.monotonic()
        wait_until(lambda: running.is_safe)
        safe_s = max(map(levels.changed_s, ("LAMP", "RELAY", "BELL")))
        return Safe(safe_s - ended_s, 0.0, max(0.0, safe_s - ended_s))
    with daemon(folder) as running:
        if way == "want of memory":
            before_kb = _rss_kb(running.process.pid)
            running.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: _rss_kb(running.process.pid) > before_kb + 250_000)
            running.wait_until_on()
        return running.die((GONE | STALLED)[way])


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
