"""Teaching while the daemon runs: frames of its camera, in force at the end or not at all."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from edged import build
from edged.commands import Command, Forget, Reply, Teach, UndoTeaching
from edged.config.load import load
from edged.config.schema import Config
from edged.core import Frame
from edged.errors import CameraError, CommandError
from edged.messages.replies import TaughtAnswer
from edged.teaching import session
from tests.teaching.pictures import picture


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return load(None, ["model.threads=1"])


class Daemon:
    """Delivers frames, and takes over what was written unless it is told not to."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.refuses = False
        self.labels: list[str] = []
        self._numbers = count()

    def frame(self) -> Frame:
        number = next(self._numbers)
        return Frame(picture("disc", number), number, float(number))

    def take_over(self) -> Reply:
        if self.refuses:
            return Reply(error="rule full: the model has no label")
        known = build.lessons(self.config, build.admitted(self.config))
        self.labels = [] if known is None else known.labels
        return Reply()

    def carry_out(self, command: Command) -> TaughtAnswer:
        assert isinstance(command, Teach | Forget | UndoTeaching)
        return session.carry_out(command, self.config, self.frame, self.take_over)


@pytest.fixture
def daemon(config: Config) -> Daemon:
    return Daemon(config)


def test_frames_of_the_camera_become_a_label(daemon: Daemon) -> None:
    told = daemon.carry_out(Teach(label="disc", shots=4, every_s=0.0))
    assert told.labels == {"disc": 4}
    assert told.remarks == ["disc: 4 pictures; 10 or more do better"]
    assert daemon.labels == ["disc"]
    assert session.taught(daemon.config).labels == {"disc": 4}


def test_what_is_taught_is_forgotten_and_taken_back(daemon: Daemon) -> None:
    daemon.carry_out(Teach(label="disc", shots=4, every_s=0.0))
    assert daemon.carry_out(Forget(label="disc")).labels == {}
    assert daemon.labels == []
    assert daemon.carry_out(UndoTeaching()).labels == {"disc": 4}
    assert daemon.labels == ["disc"]


def test_what_cannot_be_taken_over_is_written_back(daemon: Daemon) -> None:
    daemon.carry_out(Teach(label="disc", shots=4, every_s=0.0))
    daemon.refuses = True
    with pytest.raises(CommandError, match="rule full"):
        daemon.carry_out(Forget(label="disc"))
    assert session.taught(daemon.config).labels == {"disc": 4}


def test_where_no_frame_comes_nothing_is_taught(daemon: Daemon) -> None:
    def none() -> Frame:
        raise CameraError("the camera is away")

    with pytest.raises(CameraError, match="away"):
        session.carry_out(Teach(label="disc"), daemon.config, none, daemon.take_over)
    assert session.taught(daemon.config).labels == {}


def test_where_taught_labels_are_off_nothing_is_taught(config: Config) -> None:
    off = Daemon(replace(config, teach=replace(config.teach, enabled=False)))
    with pytest.raises(CommandError, match=r"taught labels are off; set teach\.enabled to true"):
        off.carry_out(Teach(label="disc", shots=4, every_s=0.0))
