"""A whole daemon as a process, seen from within: its frames, its events, its memory, its clock."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
import numpy as np
from numpy.typing import NDArray

from edged.errors import CommandError
from edged.journal.reader import Reader
from edged.ports.control.client import ControlClient, DaemonError
from tests.mosquitto import LIMIT_S, wait_until
from tests.observed_child import CLOCK
from tests.test_daemon import PICTURES, Running

PATIENCE_S = 2 * LIMIT_S

CONFIG = """\
device = "test"
[camera]
kind = "directory"
source = "{folder}/pictures"
fps = {fps}
[model]
threads = 1
[decide]
smoothing_s = 0.0
unknown_share = 0.0
enter = 0.3
exit = 0.1
[[rule]]
name = "cat"
labels = ["cat"]
[gpio]
factory = "mock"
[[output]]
name = "lamp"
pin = 17
rule = "cat"
[[output]]
name = "bell"
pin = 27
action = "manual"
[journal]
path = "{state}/events.db"
[control]
socket = "{folder}/edged.sock"
[log]
format = "text"
[mqtt]
"""


class Made(NamedTuple):
    """An event as the loop made it; times of the monotonic clock."""

    number: int
    rule: str
    active: bool
    onset_s: float
    decided_s: float
    recorded_s: float


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where notes cost the daemon nothing."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a folder of ours)
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


class Observed:
    """The daemon: its files in `folder`, its state in `state`.

    Its camera shows a cat and a rocket in turns, each for ``seconds`` s: so often the rule changes.
    ``mqtt`` are lines of the configuration's last section, and sections after it.
    """

    def __init__(
        self, folder: Path, mqtt: str, *, state: Path | None = None, fps: int = 50, each: int = 50
    ) -> None:
        self.folder, self.state = folder, state or folder / "state"
        self.state.mkdir(exist_ok=True)
        pictures = folder / "pictures"
        pictures.mkdir()
        for place, name in ((0, "cat"), (1, "rocket")):
            one = pictures / f"{place * each}.jpg"
            shutil.copy(PICTURES / f"{name}.jpg", one)
            for number in range(1, each):
                os.link(one, pictures / f"{place * each + number}.jpg")
        for name in ("frames", "made"):
            (folder / name).touch()
        self.turn_clock(0.0, synced=True)
        config = folder / "edged.toml"
        config.write_text(CONFIG.format(folder=folder, state=self.state, fps=fps) + mqtt)
        self.running = Running(config, "tests.observed_child", str(folder))
        self.client = ControlClient(folder / "edged.sock", PATIENCE_S)

    def start(self) -> None:
        """Until it has decided on a frame."""
        before = len(self.frames())
        os.environ["STATE_DIRECTORY"] = str(self.state)
        try:
            self.running.start()
        finally:
            del os.environ["STATE_DIRECTORY"]
        wait_until(lambda: self._has_more_frames(before), PATIENCE_S)

    def _has_more_frames(self, before: int) -> bool:
        assert self.running.status() is None, self.last_lines()
        return len(self.frames()) > before

    def last_lines(self) -> list[str]:
        """The end of its log."""
        return self.running.log.read_text().splitlines()[-5:]

    def turn_clock(self, by_s: float, *, synced: bool) -> None:
        """From now on its wall clock is the machine's and so much more."""
        (self.folder / "clock").touch()
        with (self.folder / "clock").open("r+b") as file:
            file.write(CLOCK.pack(by_s, float(synced)))

    def frames(self) -> NDArray[np.float64]:
        """When each frame was decided, by the monotonic clock."""
        content = (self.folder / "frames").read_bytes()
        return np.frombuffer(content[: len(content) // 8 * 8])

    def intervals_ms(self, since_s: float) -> list[float]:
        """Between its frames since a time."""
        frames = self.frames()
        return [float(ms) for ms in 1e3 * np.diff(frames[frames >= since_s])]

    def forget(self) -> None:
        """The events that were made so far."""
        os.truncate(self.folder / "made", 0)

    def made(self) -> list[Made]:
        """The events, of all its runs."""
        lines = (self.folder / "made").read_text().splitlines()
        return [Made(*json.loads(line)) for line in lines]

    def ask(self, command: str, **fields: object) -> dict[str, Any]:
        """AssertionError where it does not answer, or refuses."""
        try:
            data: dict[str, Any] = self.client.ask(command, **fields)[0]["data"]
        except (CommandError, DaemonError) as error:
            raise AssertionError(f"{command}: {error}; {self.last_lines()}") from error
        return data

    def events(self) -> list[dict[str, Any]]:
        """What `edged events` tells on a machine whose clock follows a time server."""
        journal, told = Reader(self.state / "events.db", "test"), []
        with patch("edged.clock._kernel_is_synchronized", lambda: True):
            while page := journal.page():
                told += [msgspec.json.decode(entry.payload) for entry in page]
        return told

    def rss_mb(self) -> float:
        """Its resident memory, in MB (10^6 bytes)."""
        pages = int(Path(f"/proc/{self.running.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def at_real_time(self) -> bool:
        """Let it go before everything else on the machine, where this is permitted."""
        with suppress(OSError):
            for task in Path(f"/proc/{self.running.pid}/task").iterdir():
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))
            return True
        return False

    def frames_come(self, count: int = 3) -> None:
        """Return when it has decided on so many more; AssertionError where it does not."""
        before = len(self.frames())
        wait_until(lambda: self._has_more_frames(before + count - 1), PATIENCE_S)


def settled(since_s: float, seconds: float) -> None:
    """Wait until so long after a time."""
    time.sleep(max(0.0, since_s + seconds - time.monotonic()))
