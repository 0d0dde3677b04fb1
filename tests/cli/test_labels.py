"""``edged models labels``, and models that have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edged.cli import main
from edged.messages import schemas
from tests.evaluation.conftest import paint
from tests.inference.builder import colours


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = colours(tmp_path / "colours.tflite")
    (tmp_path / "colours.txt").write_text("deep red\ngrass green\nsky blue\n")
    return path


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    (tmp_path / "alone").mkdir()
    return colours(tmp_path / "alone" / "colours.tflite", "uint8")


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    paint(tmp_path / "blue.png", (10, 20, 250))
    return tmp_path / "blue.png"


def test_each_class_is_listed_by_its_number(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "labels", str(model)]) == 0
    assert capsys.readouterr().out == "    0  deep red\n    1  grass green\n    2  sky blue\n"


def test_a_word_chooses_the_labels_that_have_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "labels", str(model), "GREEN"]) == 0
    assert capsys.readouterr().out == "    1  grass green\n"
    assert main(["models", "labels", str(model), "gree"]) == 65
    assert "no label of colours has the word gree" in capsys.readouterr().err


def test_a_word_alone_is_looked_for_in_the_bundled_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "labels", "ship"]) == 0
    assert capsys.readouterr().out == "    8  ship\n"
    assert main(["models", "labels", "shp"]) == 65
    assert capsys.readouterr().err == (
        "edged: no model is called shp, and no label of edged-cifar10-int8 has the word shp; "
        "`edged models list` shows the models\n"
    )


def test_a_picture_shows_which_class_is_which(
    model: Path, blue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "labels", str(model), "--picture", str(blue)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "2"
    assert first.endswith("%  sky blue")
    assert len(rest) == 2


def test_json_has_a_document_for_each_class(
    model: Path, blue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "labels", str(model), "--picture", str(blue), "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for document in documents:
        Draft202012Validator(schemas.load("label")).validate(document)
    assert (documents[0]["index"], documents[0]["label"]) == (2, "sky blue")
    assert documents[0]["score"] > documents[1]["score"]


def test_classes_without_labels_have_numbers_and_how_to_name_them_is_told(
    unlabelled: Path, blue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["classify", "--model", str(unlabelled), str(blue)],
        ["models", "labels", str(unlabelled), "--picture", str(blue)],
    ):
        assert main(command) == 0
        told = capsys.readouterr()
        assert "class 2" in told.out
        assert told.err.startswith(f"edged: {unlabelled} has no labels, so its classes have number")
        assert "colours.txt beside it, one per line, or with --labels" in told.err


def test_a_measurement_needs_labels(
    unlabelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "red").mkdir(parents=True)
    paint(tmp_path / "data" / "red" / "a.png", (250, 0, 0))
    assert main(["models", "evaluate", str(unlabelled), "--data", str(tmp_path / "data")]) == 65
    assert "has no labels in it" in capsys.readouterr().err


def test_messages_name_the_options_of_the_command(
    unlabelled: Path, blue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["classify", "--model", str(unlabelled), str(blue)]
    assert main([*command, "--labels", str(tmp_path / "none.txt")]) == 65
    assert capsys.readouterr().err.endswith("No such file or directory: correct --labels\n")

    (tmp_path / "edged.toml").write_text('[model]\nlabels = "none.txt"\n')
    assert main([*command, "--config", str(tmp_path / "edged.toml")]) == 65
    assert capsys.readouterr().err.endswith("No such file or directory: correct model.labels\n")
