"""The way in which a model wants its pictures is found by trying the usual ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged.cli import main
from edged.config.load import load
from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.evaluation.calibrate import Calibration, Candidate, calibrate
from edged.evaluation.dataset import DataError, open_dataset
from tests.evaluation.conftest import COLOURS, paint
from tests.inference import builder

DARK, BRIGHT = range(40, 100, 10), range(200, 260, 10)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """Tells dark from bright pictures, whose pixels it wants as 0..1: bright is above one half."""
    model = builder.Model()
    image = model.tensor([1, 4, 4, 1], name="image")
    mean, row, scores = model.tensor([1, 1, 1, 1]), model.tensor([1, 1]), model.tensor([1, 2])
    model.pool(image, mean, 4, 4)
    model.reshape(mean, row)
    weights = model.tensor([2, 1], data=np.array([0, 8], np.float32).tobytes())
    bias = model.tensor([2], data=np.array([4, 0], np.float32).tobytes())
    model.operator("FULLY_CONNECTED", [row, weights, bias], [scores], kind="FullyConnectedOptions")
    path = tmp_path / "light.tflite"
    path.write_bytes(model.content([image], [scores]))
    path.with_suffix(".txt").write_text("dark\nbright\n")
    return path


def grey(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (12, 8), level).save(path)


def labelled(folder: Path) -> Path:
    for label, levels in (("dark", DARK), ("bright", range(130, 190, 10))):
        for level in levels:
            grey(folder / label / f"{level}.png", level)
    return folder


def unlabelled(folder: Path) -> Path:
    for level in (*DARK, *BRIGHT):
        grey(folder / f"{level}.png", min(level, 255))
    return folder


def found(model: Path, data: Path, fit: str = "stretch", **options: object) -> Calibration:
    config = Config(
        model=ModelConfig(path=str(model), threads=1, **options),  # type: ignore[arg-type]
        camera=CameraConfig(fit=fit),  # type: ignore[arg-type]
    )
    return calibrate(config, open_dataset(data, labelled=False))


def chosen(calibration: Calibration) -> Candidate:
    return calibration.candidates[calibration.chosen]


def test_the_normalisation_is_found_by_labels(light: Path, tmp_path: Path) -> None:
    told = found(light, labelled(tmp_path / "data"))
    assert told.labelled
    assert not told.guessing
    assert (chosen(told).normalization, chosen(told).top1) == ("0..1", 1.0)
    assert told.lines == ["[model]", "mean = [0.0]", "std = [255.0]"]
    [present] = [way for way in told.candidates if way.present]
    assert (present.normalization, present.fits) == ("-1..1", False)


def test_the_normalisation_is_found_by_how_steady_the_answers_are(
    light: Path, tmp_path: Path
) -> None:
    told = found(light, unlabelled(tmp_path / "data"))
    assert not told.labelled
    assert (chosen(told).normalization, chosen(told).steadiness) == ("0..1", 1.0)
    by_name = {way.normalization: way.steadiness for way in told.candidates}
    # Of all pictures it says the same.
    assert by_name["0..255"] == 0.0


def test_a_model_that_is_fed_rightly_is_left_alone(light: Path, tmp_path: Path) -> None:
    for data in (labelled(tmp_path / "with"), unlabelled(tmp_path / "without")):
        told = found(light, data, mean=[0.0], std=[255.0])
        assert chosen(told).present
        assert told.lines == []


def colourful(folder: Path, labels: str) -> Path:
    """The model of colours, under these labels, with four pictures of each colour."""
    for label, colour in COLOURS.items():
        for number in range(4):
            paint(folder / "data" / label / f"{number}.png", colour, number)
    (folder / "colours.txt").write_text(labels)
    return builder.colours(folder / "colours.tflite", "uint8")


def test_a_model_that_wants_blue_first_is_found(tmp_path: Path) -> None:
    told = found(colourful(tmp_path, "blue\ngreen\nred\n"), tmp_path / "data")
    assert told.lines == ["[model]", 'channels = "bgr"']


def test_a_model_that_wants_the_middle_of_a_picture_is_found(tmp_path: Path) -> None:
    model = colourful(tmp_path, "red\ngreen\nblue\n")
    wide = {"red": "green", "green": "blue", "blue": "red"}
    for label, around in wide.items():
        for number in range(4):
            pixels = np.full((32, 160, 3), COLOURS[around], np.uint8)
            pixels[:, 64:96] = COLOURS[label]
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{number}.png")
    assert found(model, tmp_path / "data").lines == ["[camera]", 'fit = "crop"']
    assert found(model, tmp_path / "data", "crop").lines == []


def test_a_model_that_knows_nothing_of_the_pictures_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = colourful(tmp_path, "green\nblue\nred\n")
    command = ["models", "calibrate", str(model), "--data", str(tmp_path / "data")]
    assert main(command) == 1
    assert "Nothing is better than guessing" in capsys.readouterr().out
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["guessing"] is True


def test_the_lines_can_be_pasted(
    light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = labelled(tmp_path / "data")
    assert main(["models", "calibrate", str(light), "--data", str(data)]) == 0
    _, _, lines = capsys.readouterr().out.partition("Add this to the configuration:\n\n")
    (tmp_path / "edged.toml").write_text(lines)
    command = ["models", "evaluate", str(light), "--data", str(data), "--json"]
    assert main([*command, "--config", str(tmp_path / "edged.toml")]) == 0
    assert json.loads(capsys.readouterr().out)["overall"]["top1"] == 1.0


def test_what_is_set_is_tried_also_where_it_is_doubtful(light: Path, tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    told = found(light, data, mean=[0.5], std=[0.5])
    [present] = [way for way in told.candidates if way.present]
    assert (present.mean, present.std, present.fits) == ([0.5], [0.5], False)
    assert chosen(told).normalization == "0..1"


def test_an_integer_input_may_be_better_off_without_mean_and_std(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = colourful(tmp_path, "red\ngreen\nblue\n")
    for label, colour in COLOURS.items():
        for number in range(4):
            # White and black would be the same in any units.
            shade = tuple(40 + 20 * bool(part) for part in colour)
            paint(tmp_path / "data" / label / f"{number}.png", shade, number)  # type: ignore[arg-type]
    told = found(model, tmp_path / "data", mean=[127.5], std=[1.0])
    assert chosen(told).normalization == "as the file says"
    assert told.lines == ["[model]", "mean = []", "std = []"]
    assert len([one for one in caplog.records if "do not fit" in one.getMessage()]) == 1


def test_every_line_that_is_told_is_a_configuration(light: Path, tmp_path: Path) -> None:
    told = found(light, labelled(tmp_path / "data"))
    for way in told.candidates:
        lines = f"[model]\nmean = {way.mean}\nstd = {way.std}\nchannels = {way.channels!r}\n"
        (tmp_path / "edged.toml").write_text(lines)
        load(tmp_path / "edged.toml")


def test_labels_that_the_model_has_not_and_too_few_pictures_are_refused(
    light: Path, tmp_path: Path
) -> None:
    grey(tmp_path / "few/1.png", 9)
    with pytest.raises(DataError, match="1 pictures can be read; give at least 10"):
        found(light, tmp_path / "few")
    for level in DARK:
        grey(tmp_path / f"other/dusk/{level}.png", level)
    with pytest.raises(DataError, match=r'no label "dusk".*of unknown class'):
        found(light, tmp_path / "other")


def test_what_cannot_be_read_is_told_and_counted(
    light: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = labelled(tmp_path / "data")
    (data / "dark" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (data / "dark" / "lost.jpg").symlink_to("nowhere")
    command = ["models", "calibrate", str(light), "--data", str(data)]

    assert main(command) == 1
    said = capsys.readouterr().out
    assert "- unreadable: 2\n  - dark/lost.jpg: no such file" in said
    assert "  - dark/phone.heic: not a picture in a supported format" in said
    assert main([*command, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["pictures"], document["unreadable"]["count"]) == (12, 2)
    assert [f["picture"] for f in document["unreadable"]["findings"]] == [
        "dark/lost.jpg",
        "dark/phone.heic",
    ]


def test_of_too_few_pictures_the_first_that_cannot_be_read_is_told(
    light: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    for number in range(3):
        grey(folder / f"{number}.png", 90)
    (folder / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")

    with pytest.raises(
        DataError, match=r"3 pictures can be read \(a\.heic: not a picture in a supported format"
    ):
        found(light, folder)
