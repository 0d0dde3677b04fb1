"""A whole daemon whose camera has faults on demand, and what it says and does meanwhile.

``python -m tests.cameras.isolation.whole LEVELS FAULT run --config ...`` is that daemon: its pins
are on the chip in one file, the fault of its camera stands in the other.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from edged import cli
from edged.cameras.isolation import process as camera_process
from edged.guard import process as guard_process
from edged.ports.control.client import ControlClient, DaemonError
from tests.cameras.isolation.faulty import Switch
from tests.guard.chip import Levels
from tests.mosquitto import wait_until

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 0.5
DEADMAN_S = 1.0

CONFIG = """\
device = "whole"
[camera]
kind = "v4l2"
fps = 20.0
timeout_s = {timeout_s}
frozen_s = {timeout_s}
lost_after_s = 0.1
retry_min_s = 0.01
retry_max_s = 0.02
[mqtt]
enabled = false
[control]
socket = "{folder}/edged.sock"
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
on_lost = "keep"
[[output]]
name = "relay"
pin = "RELAY"
action = "manual"
"""

TOLD = {
    "SIGKILL": "SIGKILL",
    "segfault": "SIGSEGV",
    "segfault in a decoder": "SIGSEGV",
    "hang": "no word why|does not decode",
    "hang in a decoder": "no word why|does not decode",
    "SIGSTOP": "no word why|does not decode",
    "silent": "no frame for",
    "unplugged": "plug it in",
    "damaged": "only damaged frames",
    "frozen": "frozen",
    "black": "frozen",
    "clock back": "its clock",
}
"""What is told of each fault, in health and in the status."""

HARMLESS = ("fast", "other size")
"""Nothing is told, because nothing is wrong."""


class Course(NamedTuple):
    """Seconds from a fault until it was told; from its end, or from a death, to frames again."""

    told_s: float
    again_s: float


class Whole:
    """A daemon with its lamp on."""

    def __init__(self, folder: Path) -> None:
        self.switch = Switch(folder / "fault")
        self.levels = Levels(folder / "levels")
        self.log = folder / "log"
        config = folder / "edged.toml"
        config.write_text(CONFIG.format(folder=folder, timeout_s=TIMEOUT_S, deadman_s=DEADMAN_S))
        files = str(folder / "levels"), str(folder / "fault")
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder)}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, *files, "run", "--config", str(config)],
                cwd=ROOT,
                env=os.environ | state,
                stderr=log,
            )
        self.client = ControlClient(folder / "edged.sock")
        self.answer_s = 0.0
        """The longest that the daemon took to answer a command."""

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        began_s = time.monotonic()
        try:
            answer, _ = self.client.ask(command, **fields)
        except DaemonError as error:
            last = self.log.read_text().splitlines()[-3:]
            raise AssertionError(f"{error}; {last}") from error
        self.answer_s = max(self.answer_s, time.monotonic() - began_s)
        data: dict[str, Any] = answer["data"]
        return data

    def camera(self) -> int:
        """The process of its camera."""
        # The kernel's list may lack some while others come and go.
        found: list[int] = []
        wait_until(lambda: found.extend(self._cameras()) or found)
        return found[0]

    def _cameras(self) -> list[int]:
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
        return [pid for pid in children if b"isolation.faulty" in _command(pid)]

    def suffers(self, fault: str) -> Course:
        """The fault, until it was told and frames came again without it.

        AssertionError where a command or a pin does not go on meanwhile.
        """
        failures = self.ask("status")["camera_failures"]
        began_s = time.monotonic()
        if fault in ("SIGKILL", "SIGSTOP"):
            os.kill(self.camera(), getattr(signal, fault))
        else:
            self.switch.fault = fault
        wait_until(lambda: self._tells(fault, failures))
        told_s = time.monotonic()
        # A pin that is set by hand meanwhile is set.
        level = 1 - self.levels.of("RELAY")
        self.ask("set-output", name="relay", value=level)
        assert self.levels.of("RELAY") == level, "the output that was set did not change"
        assert told_s < self.levels.beat_s() + DEADMAN_S, "the loop stalled"
        self.switch.fault = "none"
        frames = self.ask("status")["frames"]
        well_s = time.monotonic()
        wait_until(lambda: self._is_well(frames))
        again_s = time.monotonic() - (began_s if fault == "SIGKILL" else well_s)
        return Course(told_s - began_s, again_s)

    def _tells(self, fault: str, failures: int) -> bool:
        # A death may be over between two looks: it is told nevertheless.
        status = self.ask("status")
        more = status["camera_failures"] > failures
        return more and bool(re.search(TOLD[fault], status["camera_last_error"]))

    def shrugs_off(self, fault: str) -> None:
        """Frames with the fault come as others do."""
        self.switch.fault = fault
        frames = self.ask("status")["frames"]
        wait_until(lambda: self._is_well(frames + 5))
        self.switch.fault = "none"

    def _is_well(self, frames: int) -> bool:
        status = self.ask("status")
        return status["camera_error"] is None and status["frames"] > frames

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def whole(folder: Path) -> Iterator[Whole]:
    """A daemon that decides on frames; it has not stood still when this is left."""
    running = Whole(folder)
    try:
        wait_until(lambda: running.levels.of("LAMP") == 1)
        yield running
        assert running.process.poll() is None, "the daemon has ended"
        assert "has stalled" not in running.log.read_text(), "the loop stalled"
    finally:
        running.end()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    levels, fault, *words = sys.argv[1:]
    guard_process.COMMAND = (sys.executable, "-m", "tests.guard.chip", levels)
    faulty = (sys.executable, "-m", "tests.cameras.isolation.faulty", fault)
    camera_process.COMMAND = faulty
    sys.exit(cli.main(words))
