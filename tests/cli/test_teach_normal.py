"""``edged teach --normal``: with the camera of our own, and with a running daemon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from edged import build
from edged.anomaly import normal as normals
from edged.anomaly import place as places
from edged.anomaly.place import place as place_of
from edged.cli import main
from edged.config.load import load
from edged.core import DIFFERENT, Frame, Pixels
from edged.errors import ModelError
from edged.imaging.picture import decode_jpeg
from edged.imaging.snapshot import snapshot_jpeg
from edged.messages.message import Moment
from edged.ports.control.client import ControlClient, RefusedError
from tests.anomaly.views import place, shot, with_thing
from tests.mosquitto import wait_until
from tests.test_daemon import Running

RULE = """
[[rule]]
name = "odd"
labels = ["different"]
smoothing_s = 0.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A camera that looks at a place where nothing happens."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(12):
        Image.fromarray(shot(place(), seed)).save(folder / f"{seed}.png")
    path = tmp_path / "edged.toml"
    path.write_text(
        f"""
[camera]
kind = "directory"
source = {str(folder)!r}
fps = 50.0
[model]
threads = 1
[gpio]
factory = "mock"
[mqtt]
enabled = false
[control]
socket = {str(tmp_path / "edged.sock")!r}
[journal]
path = {str(tmp_path / "events.db")!r}
"""
    )
    return path


def teach(config: Path, *more: str, shots: int = 6) -> int:
    words = ["teach", "--normal", f"--config={config}", f"--shots={shots}", "--every=0.02"]
    return main([*words, *more])


def odd(config: Path, *pixels: Pixels) -> list[bool]:
    with build.perception(load(config)) as perception:
        results = [
            perception.decide(Frame(frame, number, number * 1.0))
            for number, frame in enumerate(pixels)
        ]
    return ["odd" in result.scene.active for result in results]


def test_what_was_taught_is_normal_and_a_thing_is_not(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach(config) == 0
    said = capsys.readouterr().out
    assert "learned 6 pictures of the normal view" in said
    assert re.search(r"^found of 20 pieces .* 1% of the frame: \d+, 2%", said, re.MULTILINE)
    assert 'add one with labels = ["different"]' in said
    config.write_text(config.read_text() + RULE)
    seen = [shot(place(), 50), shot(with_thing(place()), 51), shot(place(), 52)]
    assert odd(config, *seen) == [False, True, False]


def test_no_scene_is_named_after_what_is_different_unless_a_rule_is(config: Path) -> None:
    config.write_text(config.read_text() + RULE.replace("[[rule]]", "[[rule]]\nenter = 1.0"))
    teach(config)
    with build.perception(load(config)) as perception:
        result = perception.decide(Frame(shot(with_thing(place()), 50), 1, 0.0))
    assert DIFFERENT in result.prediction.labels
    assert result.scene.name not in result.prediction.labels[-4:]


def test_the_snapshot_shows_where_it_is_different(config: Path) -> None:
    config.write_text(config.read_text() + RULE)
    teach(config)
    with build.perception(load(config)) as perception:
        result = perception.decide(Frame(shot(with_thing(place() // 2), 50), 1, 0.0))
    picture = decode_jpeg(snapshot_jpeg(result, Moment("porch", 0.0, 1e9)), "a test").astype(int)
    plain = result.frame.pixels.astype(int)
    redder = picture[..., 0] - picture[..., 2] - (plain[..., 0] - plain[..., 2])
    assert redder[100:124, 205:230].mean() > 30 > redder[:60].mean()


def test_without_a_rule_nothing_is_compared(config: Path) -> None:
    teach(config)
    with build.perception(load(config)) as perception:
        result = perception.decide(Frame(shot(place(), 50), 1, 0.0))
    assert DIFFERENT not in perception.labels
    assert "different" not in result.stages_s
    assert result.prediction.heat is None


def test_a_rule_on_what_is_different_needs_a_normal_view(config: Path) -> None:
    config.write_text(config.read_text() + RULE)
    with pytest.raises(ModelError, match="has not been taught; run `edged teach --normal`"):
        odd(config)


def test_a_normal_view_of_another_model_is_refused(config: Path, shared_data: Path) -> None:
    teach(config)
    other = shared_data / "models" / "mlperf_tiny_resnet_int8.tflite"
    labels = Path("models/edged-cifar10-int8.labels.txt").absolute()
    config.write_text(
        config.read_text().replace("[model]", f"[model]\npath = '{other}'\nlabels = '{labels}'")
        + RULE
    )
    with pytest.raises(ModelError, match="was taught with another model"):
        odd(config)


def test_without_a_journal_there_is_no_place_for_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach(config, "--set=journal.max_events=0") == 78
    assert "journal.max_events = 0 keeps nothing on disk" in capsys.readouterr().err


def test_a_refused_teaching_leaves_what_was_taught(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(config)
    path = place_of(load(config))
    before = path.read_bytes()
    for seed in (3, 4, 5):
        frame = Image.fromarray(shot(with_thing(place()), seed))
        frame.save(config.parent / "pictures" / f"{seed}.png")
    assert teach(config, shots=24) == 65
    assert "differs from the others" in capsys.readouterr().err
    assert teach(config, shots=3) == 65
    assert "3 pictures are too few: give 5 or more" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_camera_that_gives_nothing_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach(config, "--set=camera.source=nothing") == 69
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing: No such file or directory; set camera.source" in line


def test_it_takes_neither_label_nor_pictures(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach(config, "bin", "bin.jpg") != 0
    assert "bin: --normal takes no label and no pictures" in capsys.readouterr().err


@pytest.fixture
def daemon(config: Path) -> Iterator[Running]:
    running = Running(config)
    running.start()
    try:
        wait_until(lambda: (config.parent / "edged.sock").exists() and running.said("device"))
        yield running
    finally:
        running.stop()


def test_a_running_daemon_gives_the_pictures_and_takes_over_what_was_learned(
    config: Path, daemon: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    client = ControlClient(config.parent / "edged.sock")
    assert teach(config) == 0
    config.write_text(config.read_text() + RULE)
    assert client.ask("reload")[0]["ok"]
    assert DIFFERENT in client.ask("setup")[0]["data"]["labels"]
    first = normals.read(place_of(load(config))).made
    capsys.readouterr()
    assert teach(config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reloaded"] is True
    assert normals.read(place_of(load(config))).made != first
    # A file that does not fit is refused, and the daemon goes on with the one before.
    place_of(load(config)).write_bytes(b"torn")
    with pytest.raises(RefusedError, match="is not a file of a normal view"):
        client.ask("reload")
    assert DIFFERENT in client.ask("setup")[0]["data"]["labels"]


def test_without_a_daemon_it_is_kept_where_the_service_looks(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(places, "SERVICE", tmp_path / "service")
    (tmp_path / "service").mkdir()
    text = config.read_text()
    config.write_text(text[: text.index("[journal]")])
    teach(config)
    assert (tmp_path / "home" / "edged" / "events-edged.db.normal").exists()
    (tmp_path / "service" / "events-edged.db").touch()
    teach(config)
    assert (tmp_path / "service" / "events-edged.db.normal").exists()
