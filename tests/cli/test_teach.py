"""``edged teach`` from pictures and the demo's camera, without a daemon."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from edged.cli import main
from tests.teaching.pictures import picture


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of pictures, and a state directory of this test's own."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    for kind in ("disc", "cross"):
        for number in range(10):
            path = tmp_path / kind / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture(kind, number)).save(path)
    Image.fromarray(picture("disc", 50)).save(tmp_path / "new.png")
    return tmp_path


def teach(*words: str, status: int = 0) -> None:
    assert main(["teach", *words, "--set", "model.threads=1"]) == status


def test_a_taught_label_is_what_classify_and_evaluate_say(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach("my disc", "disc")
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == [
        "taught now: my disc (10 pictures)",
        'a rule can look for it: labels = ["my disc"]',
    ]
    assert main(["classify", "new.png", "--json"]) == 0
    [best, *_] = json.loads(capsys.readouterr().out)["results"]
    assert (best["label"], best["index"]) == ("my disc", 10)
    (desk / "set" / "my disc").mkdir(parents=True)
    (desk / "new.png").rename(desk / "set" / "my disc" / "new.png")
    assert (
        main(["models", "evaluate", "edged-cifar10-int8", "--data", str(desk / "set"), "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["overall"]["top1"] == 1.0


def test_the_list_shows_labels_and_where_their_pictures_are_from(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach("--list")
    assert capsys.readouterr().out.startswith("nothing was taught")
    teach("disc", *(f"disc/{number}.png" for number in range(10)))
    capsys.readouterr()
    teach("--list")
    first, *sources = capsys.readouterr().out.splitlines()
    assert first.startswith("disc: 10 pictures, the last one ")
    assert sources[0] == f"  {desk / 'disc' / '0.png'}"
    teach("--list", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["type"], line["label"]) for line in lines} == {("taught-picture", "disc")}
    assert all(datetime.fromisoformat(line["taught"]).tzinfo is not None for line in lines)


def test_forget_and_undo(capsys: pytest.CaptureFixture[str]) -> None:
    teach("disc", "disc")
    teach("cross", "cross")
    teach("--forget", "disc")
    assert capsys.readouterr().out.splitlines()[-1] == "taught now: cross (10 pictures)"
    teach("--undo")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "taught now: disc (10 pictures), cross (10 pictures)"
    teach("--forget", "mug", status=1)
    assert capsys.readouterr().err == (
        "edged: mug: no label of this name was taught; taught: disc, cross\n"
    )


def test_an_export_is_taken_over_elsewhere(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    teach("disc", "disc")
    teach("--export", "all.taught")
    monkeypatch.setenv("STATE_DIRECTORY", str(desk / "other"))
    teach("--import", "all.taught")
    assert capsys.readouterr().out.splitlines()[-1] == "taught now: disc (10 pictures)"
    content = bytearray((desk / "all.taught").read_bytes())
    content[-1] ^= 1
    (desk / "torn.taught").write_bytes(content)
    teach("--import", "torn.taught", status=78)
    assert "torn.taught: taught labels cannot be used: it is damaged" in capsys.readouterr().err
    teach("--import", "absent.taught", status=1)
    assert "absent.taught: no such file" in capsys.readouterr().err


def test_the_taught_pictures_can_be_looked_at(desk: Path) -> None:
    teach("my disc", "disc")
    teach("--thumbnails", "seen")
    assert len(list((desk / "seen" / "my_disc").glob("*.jpg"))) == 10


def test_the_camera_is_a_teacher_too(capsys: pytest.CaptureFixture[str]) -> None:
    shots = ["--camera", "--shots", "3", "--every", "0.2", "--set", "camera.kind=demo"]
    teach("desk", *shots)
    out = capsys.readouterr().out.splitlines()
    assert "taught now: desk (3 pictures)" in out
    teach("--list")
    assert "of the camera" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (2, [], "give a label and pictures of it, or --camera"),
        (2, ["disc"], "give a label and pictures of it, or --camera"),
        (2, ["--list", "disc"], "disc: this option takes no label and no pictures"),
        (2, ["disc", "disc", "--camera"], "disc: give pictures or --camera, not both"),
        (2, ["--normal", "disc"], "disc: --normal takes no label and no pictures"),
        (1, ["disc", "disc/1.png"], "disc: 1 picture; give at least 3"),
        (1, ["", "disc"], "a label must not be empty: say what the pictures show"),
        (1, ["cat", "disc"], "cat is a label of model edged-cifar10-int8 already"),
        (1, ["--undo"], "nothing was taught that could be taken back"),
        (1, ["--export", "x"], "nothing was taught that could be exported"),
        (1, ["disc", "--set", "teach.enabled=false", "disc"], "taught labels are off"),
    ],
)
def test_what_is_wrong_is_one_line(
    status: int, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(*words, status=status)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("edged: ")
    assert told in line


def test_a_picture_that_cannot_be_read_teaches_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "disc" / "a.jpg").write_bytes(b"no picture")
    teach("disc", "disc", status=65)
    assert "a.jpg: " in capsys.readouterr().err
    teach("--list")
    assert capsys.readouterr().out.startswith("nothing was taught")
