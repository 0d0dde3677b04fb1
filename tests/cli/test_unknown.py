"""``edged models unknown``, as it is typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged import paths
from edged.cli import main
from edged.perception import known, reference
from edged.teaching.teacher import readable
from tests.inference.test_layers import headed


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def colours(folder: Path, count: int, seed: int = 0) -> Path:
    """Pictures of warm and of cold colours, each in a folder of its own."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for number in range(count):
        warm = number % 2 == 0
        colour = rng.integers(150, 256), rng.integers(0, 120), rng.integers(0, 100)
        pixels = np.full((8, 8, 3), colour if warm else colour[::-1], np.uint8)
        place = folder / ("warm" if warm else "cold") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    return folder


def test_the_head_of_a_model_needs_no_more_than_a_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = headed(tmp_path / "model.tflite")
    data = colours(tmp_path / "data", 60)
    options = ["--std", "255", "--mean", "0", "--json"]
    assert main(["models", "unknown", str(model), "--data", str(data), *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["pictures"], told["held_out"]) == ("head", 0, 60)
    assert told["path"] == f"{model}.known"
    assert told["bytes"] == reference.path_of(model).stat().st_size
    assert [row["name"] for row in told["unknown"]][:2] == ["noise", "grain"]
    assert known.find(model) is not None


def test_with_pictures_enough_for_each_label_the_means_of_its_classes_are_fitted(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "own.tflite"
    shutil.copy(paths.bundled_model(), model)
    groceries = str(shared_data / "training/grocery.zip")
    data = str(shared_data / "training/sign-digits.zip")
    out = tmp_path / "other.known"
    command = ["models", "unknown", str(model), "--data", data, "--unknown", groceries]
    assert main([*command, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{out}: " in said
    assert "by the means of its classes; 1235 pictures fitted, 309 others" in said
    assert "| grocery.zip      |    887 |" in said
    fitted = reference.read(out, model.read_bytes())
    assert fitted.means is not None
    assert fitted.vectors is not None
    assert list(fitted.vectors.tensors) == readable(model).tensors
    assert not reference.path_of(model).exists()


def test_too_few_pictures_are_refused_and_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = headed(tmp_path / "model.tflite")
    place = reference.path_of(model)
    place.write_bytes(b"as it was")
    data = colours(tmp_path / "data", 12)
    assert main(["models", "unknown", str(model), "--data", str(data)]) != 0
    [line] = capsys.readouterr().err.splitlines()
    assert "12 pictures are too few: give at least 40 of what the model knows" in line
    assert place.read_bytes() == b"as it was"


def test_pictures_that_cannot_be_read_are_told_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = headed(tmp_path / "model.tflite")
    data = colours(tmp_path / "data", 60)
    (data / "warm" / "0.png").write_bytes(b"torn")
    assert main(["models", "unknown", str(model), "--data", str(data), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["held_out"] == 59
    assert "0.png" in said.err


def test_where_it_cannot_be_written_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = headed(tmp_path / "model.tflite")
    data = colours(tmp_path / "data", 60)
    out = str(tmp_path / "absent" / "x.known")
    assert main(["models", "unknown", str(model), "--data", str(data), "--out", out]) != 0
    *_, line = capsys.readouterr().err.splitlines()
    assert line == f"edged: {out}: cannot be written: No such file or directory"
