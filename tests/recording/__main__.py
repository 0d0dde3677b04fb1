"""``python -m tests.recording``: a thousand events of a running daemon, decided again.

A cat and a rocket take turns before the camera. Meanwhile thresholds change, the configuration is
reloaded with other rules, and the camera is lost. `edged record` follows; then `edged replay` must
make every event again, to the last bit, and the journal must have the same ones.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from edged.journal.entry import decoded
from edged.journal.reader import Reader
from edged.ports.control.client import ControlClient
from edged.recording.reader import Recording
from edged.recording.records import Over, Setup
from edged.recording.replay import Comparison, replay
from tests.mosquitto import wait_until
from tests.test_daemon import PICTURES, Running

CONFIG = """
device = "test"

[camera]
kind = "directory"
source = "{folder}/pictures"
fps = {fps}
lost_after_s = 0.3
retry_min_s = 0.05
retry_max_s = 0.1

[model]
threads = 1

[decide]
smoothing_s = 0.02
{rules}
[mqtt]
enabled = false

[journal]
path = "{folder}/events.db"

[control]
socket = "{folder}/edged.sock"
"""

RULES = (
    '\n[[rule]]\nname = "cat"\nlabels = ["cat"]\n',
    '\n[[rule]]\nname = "ship"\nlabels = ["ship"]\nenter = 0.5\nexit = 0.3\n',
    '\n[[rule]]\nname = "any"\nlabels = ["cat", "ship"]\ncombine = "sum"\nmin_on_s = 0.1\n',
)
FPS = 40.0

ABOUT = """\
# A thousand events, decided again

`make report-replay` runs the daemon with the bundled model at {fps:g} frames a second. A cat and a
rocket take turns before its camera. Meanwhile thresholds are changed by command, rules come and go
with reloads, and the camera is lost again and again. `edged record` follows from the middle of the
run. Then `edged replay` decides on the recording once more. Events are compared as bytes: rule,
state, score, onset, decision, frame and reason. `tests/recording/test_replay.py` does the same with
simulated days, and `tests/cli/test_record.py` with a daemon, in small.

| | |
|---|---|
"""


class Field:
    """A daemon, and what happens to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)  # noqa: S311
        self.daemon = Running(folder / "edged.toml")
        self.client = ControlClient(folder / "edged.sock")
        self._show()
        self._configure(RULES[:1])

    def _show(self) -> None:
        pictures = self._folder / "pictures"
        pictures.mkdir(exist_ok=True)
        for name in ("cat", "rocket"):
            for place in range(2):
                shutil.copy(PICTURES / f"{name}.jpg", pictures / f"{name}{place}.jpg")

    def _configure(self, rules: tuple[str, ...]) -> None:
        text = CONFIG.format(folder=self._folder, fps=FPS, rules="".join(rules))
        (self._folder / "edged.toml").write_text(text)

    def last(self) -> int:
        """The newest event's number."""
        reply, _ = self.client.ask("status")
        last: int = reply["data"]["last_event"]
        return last

    def happen(self) -> None:
        """One of the things that a day has."""
        match self._chance.randrange(3):
            case 0:
                value = self._chance.choice((0.5, 0.55, 0.6, 0.7))
                self.client.ask("set-threshold", rule="cat", threshold="enter", value=value)
            case 1:
                self._configure(("", *RULES)[: self._chance.randint(2, 4)])
                self.client.ask("reload")
            case _:
                shutil.rmtree(self._folder / "pictures")
                wait_until(lambda: self.client.ask("status")[0]["data"]["scene"] is None)
                self._show()


def recorded(folder: Path, events: int, seed: int) -> Path:
    """A recording of so many events at least, of a daemon that has ended since."""
    field = Field(folder, seed)
    path = folder / "a.rec"
    field.daemon.start()
    wait_until(lambda: (folder / "edged.sock").exists())
    wait_until(lambda: field.last() > 5)
    command = [sys.executable, "-m", "edged", "record", str(path)]
    with subprocess.Popen([*command, "--config", str(field.daemon.config)]) as recorder:
        wait_until(lambda: path.exists() and path.stat().st_size > 0)
        first = field.last()
        while (last := field.last()) < first + events + 20:
            print(f"\r{last - first} of {events} events", end="", file=sys.stderr, flush=True)
            time.sleep(1.0)
            field.happen()
        recorder.send_signal(signal.SIGINT)
    print(file=sys.stderr)
    field.daemon.stop()
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recording", description=__doc__)
    parser.add_argument("--out", type=Path, help="write the report")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=18)
    asked = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = Path(made)
        path = recorded(folder, asked.events, asked.seed)
        comparison, setups, overs = Comparison(), 0, 0
        began_s = time.perf_counter()
        with Recording(path) as recording:
            entries = list(recording)
            for step in replay(entries, recording.name):
                comparison.add(step)
        took_s = time.perf_counter() - began_s
        setups = sum(isinstance(entry, Setup) for entry in entries) - 1
        overs = sum(isinstance(entry, Over) for entry in entries)
        reader = Reader(folder / "events.db", "test")
        journal = {}
        while page := reader.page():
            journal.update({entry.number: decoded(*entry[:2]) for entry in page})
        events = [event for entry in entries for event in getattr(entry, "events", ())]
        kept = sum(
            (told := journal.get(event.number)) is not None
            and (told.rule, told.active, told.frame) == (event.rule, event.active, event.frame)
            and told.score == round(event.score, 4)
            for event in events
        )
        text = ABOUT.format(fps=FPS) + "".join(
            f"| {what} | {value} |\n"
            for what, value in (
                ("identical events", f"{comparison.identical} of {comparison.recorded}"),
                ("events made besides", comparison.made - comparison.identical),
                ("of them in the journal, with rule, state, frame and score", kept),
                ("frames", comparison.frames),
                ("frames lost", recording.lost),
                ("thresholds and rules changed", setups),
                ("cameras lost", overs),
                ("recorded", f"{comparison.duration_s:.0f} s"),
                ("read and decided again", f"{took_s:.2f} s"),
                ("bytes a frame", f"{path.stat().st_size / max(1, comparison.frames):.0f}"),
            )
        )
    if asked.out is not None:
        asked.out.write_text(text)
    print(text)
    enough = comparison.identical >= asked.events
    return 0 if comparison.same and enough and kept == len(events) else 1


if __name__ == "__main__":
    raise SystemExit(main())
