"""``edged classify`` on real pictures with a real model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main
from tests.inference import builder

PICTURES = Path(__file__).parents[1] / "pictures"


@pytest.fixture
def model(shared_data: Path) -> list[str]:
    return [
        "--model",
        str(shared_data / "models" / "mobilenet_v2_1.0_224_quant.tflite"),
        "--labels",
        str(shared_data / "labels" / "imagenet_labels.txt"),
    ]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(PICTURES / "cat.jpg", folder / "a.jpg")
    shutil.copy(PICTURES / "rocket.jpg", folder / "deep" / "b.jpg")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def documents(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_cat_is_a_cat(
    shared_data: Path, model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cat = shared_data / "images" / "cat.bmp"
    assert main(["classify", "--json", *model, str(cat)]) == 0
    (document,) = documents(capsys)
    assert document["path"] == str(cat)
    best = document["results"][0]
    assert ("tabby" in best["label"]) or ("Egyptian cat" in best["label"])
    assert best["index"] in (282, 286)
    assert 0.2 < best["score"] <= 1
    assert document["model"] == "mobilenet_v2_1.0_224_quant"
    assert {"decode", "resize", "invoke"} <= set(document["stages_ms"])


def test_a_folder_is_searched_through_in_order(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "--json", "--top", "2", str(pictures)]) == 0
    found = documents(capsys)
    assert [Path(document["path"]).name for document in found] == ["a.jpg", "b.jpg"]
    assert [len(document["results"]) for document in found] == [2, 2]


def test_match_lists_only_the_pictures_that_show_it(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "--match", "SHIP", str(pictures)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{pictures / 'deep' / 'b.jpg'}: ")
    assert main(["classify", "--match", "shi", str(pictures)]) == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_read_is_told_and_the_rest_go_on(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truncated = pictures / "a-broken.jpg"
    truncated.write_bytes((pictures / "a.jpg").read_bytes()[:2000])
    (pictures / "a-empty.jpg").write_bytes(b"")
    paths = [str(pictures), str(pictures / "absent.png")]
    assert main(["classify", "--json", *paths]) == 1
    by_name = {Path(document["path"]).name: document for document in documents(capsys)}
    assert set(by_name["a-broken.jpg"]) == set(by_name["a.jpg"])
    assert by_name["a.jpg"]["results"]
    assert by_name["b.jpg"]["error"] is None
    assert by_name["absent.png"]["results"] == []
    for name in ("a-broken.jpg", "a-empty.jpg", "absent.png"):
        assert name in by_name[name]["error"]
        assert "\n" not in by_name[name]["error"]


def test_without_json_the_failure_goes_to_standard_error(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(pictures / "absent.png"), str(pictures / "a.jpg")]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "absent.png" in captured.err
    assert captured.out.startswith(str(pictures / "a.jpg"))


def test_a_folder_without_pictures_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "--json", str(tmp_path)]) == 1
    (document,) = documents(capsys)
    assert document["path"] == str(tmp_path)
    assert "no pictures in this folder" in document["error"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"not a model at all", "not a TensorFlow Lite model")],
)
def test_a_model_that_is_none_is_one_clear_line_and_its_own_status(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(content)
    assert main(["classify", "--model", str(model), "x.jpg"]) == 65
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith(f"edged: {model} ")
    assert says in captured.err


def test_the_command_line_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["classify", "--top", "0", "x.jpg"])
    assert stopped.value.code == 2
    assert "0 is not at least 1" in capsys.readouterr().err


def test_labels_that_were_found_by_a_usual_name_are_told(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = builder.colours(tmp_path / "colours.tflite")
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    assert main(["classify", "--model", str(model), str(pictures / "a.jpg")]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"edged: labels from {labels}, found beside the model\n"
    labels.rename(tmp_path / "colours.txt")
    assert main(["classify", "--model", str(model), str(pictures / "a.jpg")]) == 0
    assert capsys.readouterr().err == ""


def test_a_detector_is_told_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = builder.Model()
    image, boxes, scores = model.tensor([1, 4, 4, 3]), model.tensor([1, 9, 4]), model.tensor([1, 9])
    model.operator("TFLite_Detection_PostProcess", [image], [boxes, scores])
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content([image], [boxes, scores]))
    (tmp_path / "labelmap.txt").write_text("???\nperson\n")
    assert main(["classify", "--model", str(path), "x.jpg"]) == 65
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "looks like an object detector" in error
