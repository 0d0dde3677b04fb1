"""The whole daemon, told to take over one damaged model after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edged.config.schema import ModelConfig
from edged.errors import EdgedError
from edged.paths import bundled_model
from edged.ports.control.client import ControlClient
from tests.models.mutants import KINDS, mutants
from tests.mosquitto import LIMIT_S, wait_until

PICTURES = Path(__file__).parents[1] / "pictures"

CONFIG = """
device = "test"

[camera]
kind = "directory"
source = "{pictures}"

[model]
path = "{model}"
labels = "{labels}"

[gpio]
factory = "mock"

[mqtt]
enabled = false

[control]
socket = "{folder}/edged.sock"
"""


class Running:
    """`edged run` with one sound model."""

    def __init__(self, folder: Path, sound: ModelConfig, pictures: Path) -> None:
        self._folder, self._pictures = folder, pictures
        self._config = folder / "edged.toml"
        self.log = folder / "edged.log"
        self.configure(sound)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edged", "run", "--config", str(self._config)],
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "STATE_DIRECTORY": str(folder / "state")},
            )

    def configure(self, model: ModelConfig) -> None:
        self._config.write_text(
            CONFIG.format(
                pictures=self._pictures,
                model=model.path,
                labels=model.labels,
                folder=self._folder,
            )
        )

    def ask(self, command: str) -> dict[str, object]:
        """The answer's data; EdgedError with the daemon's refusal."""
        reply, _ = ControlClient(self._folder / "edged.sock").ask(command)
        data: dict[str, object] = reply["data"]
        return data

    def answers(self) -> bool:
        with suppress(OSError, EdgedError):
            return int(str(self.ask("status")["frames"])) > 0
        return False


@pytest.fixture
def daemon(tmp_path: Path, sound: ModelConfig) -> Iterator[Running]:
    running = Running(tmp_path, sound, PICTURES)
    try:
        wait_until(running.answers)
        yield running
    finally:
        running.process.terminate()
        running.process.wait(LIMIT_S)


def test_a_fatal_model_is_refused_and_the_old_one_goes_on(
    daemon: Running, fatal: ModelConfig
) -> None:
    daemon.configure(fatal)
    with pytest.raises(EdgedError, match=r"fatal\.tflite"):
        daemon.ask("reload")
    frames = int(str(daemon.ask("status")["frames"]))
    wait_until(lambda: int(str(daemon.ask("status")["frames"])) > frames)
    assert daemon.ask("status")["model"] == "sound"


def test_a_sound_model_takes_over(daemon: Running, sound: ModelConfig, tmp_path: Path) -> None:
    other = Path(sound.path).rename(tmp_path / "other.tflite")
    daemon.configure(ModelConfig(path=str(other), labels=sound.labels))
    daemon.ask("reload")
    assert daemon.ask("status")["model"] == "other"


def test_the_daemon_outlives_every_kind_of_damage(
    daemon: Running, sound: ModelConfig, tmp_path: Path
) -> None:
    content = bundled_model().read_bytes()
    refused = 0
    for number, (_, _, mutant) in enumerate(mutants([content], len(KINDS), seed=3)):
        path = tmp_path / f"mutant{number}.tflite"
        path.write_bytes(mutant)
        daemon.configure(ModelConfig(path=str(path)))
        try:
            daemon.ask("reload")
        except EdgedError:
            refused += 1
        assert daemon.process.poll() is None
        wait_until(daemon.answers)
    assert refused > len(KINDS) // 2
    daemon.configure(sound)
    # As systemd asks for it.
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.ask("status")["model"] == "sound")
