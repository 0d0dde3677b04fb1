"""``edged record``: of the running daemon, or of a camera of one's own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.cli import main
from edged.errors import CameraError
from edged.imaging.picture import decode_jpeg
from edged.journal.entry import decoded
from edged.recording.alone import ENDED
from edged.recording.reader import RecordedFrame, Recording
from edged.recording.records import Over, Seen, Setup
from edged.recording.replay import replay
from tests.mosquitto import LIMIT_S, wait_until
from tests.recording.made import Counted
from tests.test_daemon_in_process import PICTURES, Living, as_it_was

__all__ = ["as_it_was"]

MODEL = "threads = 1"


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """A daemon before whose camera a cat and a rocket take turns."""
    living = Living(tmp_path)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat", "rocket"):
        for place in range(3):
            (folder / f"{name}{place}.jpg").write_bytes((PICTURES / f"{name}.jpg").read_bytes())
    living.change(str(PICTURES / "cat.jpg"), str(folder))
    living.change("fps = 200.0", "fps = 60.0")
    yield living
    living.stop()


def record(living: Living, path: Path, *more: str) -> int:
    return main(["record", str(path), "--config", str(living.path), *more])


def compared(path: Path) -> Counted:
    comparison = Counted()
    with Recording(path) as recording:
        for step in replay(recording, recording.name):
            comparison.add(step)
    comparison.lost = recording.lost
    assert recording.broken is None
    return comparison


def entries(path: Path) -> list[Any]:
    with Recording(path) as recording:
        return list(recording)


class Recorder:
    """`edged record` in a thread."""

    def __init__(self, living: Living, path: Path, *more: str) -> None:
        self.status: int | None = None
        self.path = path
        arguments = (living, path, *more)
        self._thread = threading.Thread(target=lambda: setattr(self, "status", record(*arguments)))
        self._thread.start()
        wait_until(path.exists)

    def wait(self) -> int:
        self._thread.join(LIMIT_S)
        assert self.status is not None
        return self.status


def test_what_the_running_daemon_decides_is_decided_again(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    living.start()
    path = tmp_path / "a.rec"
    recorder = Recorder(living, path, "--seconds", "4")
    # While it records, the rules become others.
    living.ask("set-threshold", rule="cat", threshold="enter", value=0.5)
    living.frames_more(20)
    living.change('labels = ["cat"]', 'labels = ["cat", "ship"]')
    living.ask("reload")
    living.frames_more(20)
    living.change('labels = ["cat", "ship"]', 'labels = ["cat"]')
    living.ask("reload")
    assert recorder.wait() == 0
    assert "; 4 s are over" in capsys.readouterr().out
    found = compared(path)
    assert found.same
    assert found.lost == 0
    assert found.recorded > 5
    setups = [entry for entry in entries(path) if isinstance(entry, Setup)]
    assert [(setup.rules[0].enter, setup.rules[0].labels) for setup in setups] == [
        (None, ["cat"]),
        (0.5, ["cat"]),
        (0.5, ["cat", "ship"]),
        (0.5, ["cat"]),
    ]
    assert len(setups[0].sha256) == 64


def test_its_events_are_those_of_the_journal(living: Living, tmp_path: Path) -> None:
    living.start()
    path = tmp_path / "a.rec"
    assert record(living, path, "--seconds", "1") == 0
    living.stop()
    from edged.journal.reader import Reader

    kept = {
        entry.number: decoded(entry.number, entry.payload)
        for entry in Reader(tmp_path / "events-test.db", "test").page()
        if entry.first is None
    }
    recorded = [event for entry in entries(path) for event in getattr(entry, "events", ())]
    assert len(recorded) > 2
    for event in recorded:
        told = kept[event.number]
        assert told is not None
        assert (told.rule, told.active, told.frame) == (event.rule, event.active, event.frame)
        assert told.score == round(event.score, 4)


def test_a_camera_that_is_lost_is_recorded(living: Living, tmp_path: Path) -> None:
    picture = tmp_path / "now.jpg"
    picture.write_bytes((PICTURES / "cat.jpg").read_bytes())
    living.change(str(tmp_path / "pictures"), str(picture))
    living.change("fps = 60.0", "fps = 60.0\nlost_after_s = 0.0\nretry_max_s = 0.5")
    living.start()
    path = tmp_path / "a.rec"
    recorder = Recorder(living, path, "--seconds", "3")
    living.frames_more(10)
    picture.unlink()
    wait_until(lambda: living.status()["scene"] is None)
    picture.write_bytes((PICTURES / "cat.jpg").read_bytes())
    assert recorder.wait() == 0
    (over,) = (entry for entry in entries(path) if isinstance(entry, Over))
    assert [(event.rule, event.active) for event in over.events] == [("cat", False)]
    assert compared(path).same


def test_the_daemons_end_ends_it_and_what_came_is_whole(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    living.start()
    path = tmp_path / "a.rec"
    recorder = Recorder(living, path)
    living.frames_more(20)
    wait_until(lambda: path.stat().st_size > 0)
    living.stop()
    assert recorder.wait() == 69
    assert "the daemon has ended; what came until then is recorded" in capsys.readouterr().err
    found = compared(path)
    assert found.same
    assert found.frames > 10
    last = entries(path)[-1]
    assert not isinstance(last, Over) or last.reason == "stop"


def test_features_and_pictures_are_recorded_where_they_are_wanted(
    living: Living, tmp_path: Path
) -> None:
    living.add("[camera]\nprivacy = [[[0.0, 0.0], [1.0, 0.5]]]\n".replace("[camera]\n", ""))
    living.change("privacy = [[[0.0, 0.0], [1.0, 0.5]]]\n", "")
    living.change("fps = 60.0", "fps = 20.0\nprivacy = [[[0.0, 0.0], [1.0, 0.5]]]")
    living.start()
    path = tmp_path / "a.rec"
    assert record(living, path, "--seconds", "1", "--frames", "--features") == 0
    frames = [entry for entry in entries(path) if isinstance(entry, RecordedFrame)]
    assert len(frames) > 3
    for frame in frames:
        assert frame.features is not None
        assert len(frame.features) > 10
        picture = decode_jpeg(frame.jpeg, "a test")
        height = picture.shape[0]
        assert picture[: height // 2 - 8].max() < 20, "the mask holds"
        assert picture[height // 2 + 8 :].max() > 100
    assert compared(path).same


def test_it_ends_at_the_size_that_is_given(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    living.start()
    path = tmp_path / "a.rec"
    assert record(living, path, "--frames", "--max-mb", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["why"] == "1 MB are reached"
    assert 1_000_000 <= told["bytes"] == path.stat().st_size < 1_300_000


def test_without_a_daemon_it_opens_the_camera(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.rec"
    assert record(living, path, "--seconds", "2") == 0
    assert "2 s are over" in capsys.readouterr().out
    found = compared(path)
    assert found.same
    assert found.recorded > 2
    assert found.lost == 0


def test_a_folder_of_pictures_is_recorded_to_its_end(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.rec"
    assert record(living, path, "--set", "camera.loop=false", "--set", "camera.fps=10") == 0
    assert ENDED in capsys.readouterr().out
    frames = [entry for entry in entries(path) if isinstance(entry, RecordedFrame)]
    # All six, but for those that a busy machine has no time for.
    assert 1 <= len(frames) <= 6


def test_another_camera_is_meant_than_the_daemons(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    living.start()
    path = tmp_path / "a.rec"
    rocket = PICTURES / "rocket.jpg"
    assert record(living, path, "--seconds", "0.5", "--set", f"camera.source={rocket}") == 0
    frames = [entry for entry in entries(path) if isinstance(entry, RecordedFrame)]
    assert {int(np.argmax(frame.scores)) for frame in frames} == {8}


def test_a_file_that_is_there_is_never_overwritten(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.rec"
    path.write_text("precious")
    assert record(living, path) == 65
    assert "a.rec: there is such a file already; name another" in capsys.readouterr().err
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("override", "status", "told"),
    [
        ("camera.source=/nowhere", 69, "No such file"),
        ("model.path=/nowhere.tflite", 65, "/nowhere.tflite"),
        ('rule.cat.labels=["owl"]', 78, "owl"),
    ],
)
def test_what_cannot_be_recorded_leaves_no_file(
    override: str,
    status: int,
    told: str,
    living: Living,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.rec"
    assert record(living, path, "--set", override) == status
    assert told in capsys.readouterr().err
    assert not path.exists()


def test_a_folder_that_is_not_there_is_one_line(
    living: Living, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    living.start()
    assert record(living, tmp_path / "no" / "a.rec") == 65
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_it_is_whole(living: Living, tmp_path: Path, number: int) -> None:
    living.start()
    path = tmp_path / "a.rec"
    command = [sys.executable, "-m", "edged", "record", str(path), "--config", str(living.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_until(path.exists)
        wait_until(lambda: path.stat().st_size > 100)
        process.send_signal(number)
        said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert said.endswith("it was asked to\n")
    assert compared(path).same


def test_frames_that_the_disk_was_too_slow_for_are_told(
    living: Living,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Between a lane of four frames and a socket that holds few.
    monkeypatch.setattr("edged.recording.lane.BACKLOG", 4)
    living.change("fps = 60.0", "fps = 500.0")
    living.start()
    from edged.recording import writer

    held = threading.Event()
    real = writer.Writer.write

    def slow(self: writer.Writer, record: Any) -> None:
        if isinstance(record, Setup):
            held.wait(2.0)
        real(self, record)

    monkeypatch.setattr(writer.Writer, "write", slow)
    path = tmp_path / "a.rec"
    recorder = Recorder(living, path, "--seconds", "3", "--frames")
    assert recorder.wait() in (0, 1)
    found = compared(path)
    assert found.same
    if found.lost:
        assert f"{found.lost} frames are lost, and marked in the file" in capsys.readouterr().err


def test_the_loop_of_ones_own_raises_what_ended_it(tmp_path: Path) -> None:
    from edged.config.schema import CameraConfig, Config
    from edged.recording.alone import Alone

    camera = CameraConfig(kind="directory", source=str(tmp_path), retry_min_s=0.01)
    alone = Alone(Config(camera=camera), features=False, pictures=False)
    with alone.running():
        records = list(alone.lane.records("porch", 5.0))
    assert not any(isinstance(record, Seen) for record in records)
    with pytest.raises(CameraError):
        _ = alone.why
