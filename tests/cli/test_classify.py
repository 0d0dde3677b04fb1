"""``edged classify`` on real pictures with a real model."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main
from tests.inference import builder
from tests.strangers import close

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


def test_an_empty_path_is_not_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PICTURES / "cat.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as ended:
        main(["classify", ""])

    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].endswith(
        "argument PATH: an empty path; name a file or a folder"
    )


def test_labels_in_a_file_whose_name_is_no_utf8_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = builder.colours(tmp_path / "colours.tflite", "uint8")
    labels = tmp_path / os.fsdecode(b"caf\xe9.txt")
    labels.write_text("rouge\nvert\nbleu\n")
    command = ["classify", "--model", str(model), str(PICTURES / "cat.jpg")]

    assert main([*command, "--labels", str(labels)]) == 0
    assert "rouge" in capsys.readouterr().out
    assert main([*command, "--set", f"model.labels={labels}"]) == 0
    assert "rouge" in capsys.readouterr().out


def test_a_damaged_picture_has_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (PICTURES / "cat.jpg").read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(data[: len(data) // 2] + b"\xff\xd9")

    assert main(["classify", str(cut)]) == 1

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"edged: {cut}: damaged picture (Corrupt JPEG data: ")


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


def test_files_under_other_endings_are_read_or_told(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in ("jfif", "jpe", "pjpeg"):
        shutil.copy(pictures / "a.jpg", pictures / f"a.{ending}")
    (pictures / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (pictures / "Thumbs.db").write_bytes(b"x")
    assert main(["classify", str(pictures)]) == 1
    captured = capsys.readouterr()
    assert [line.partition(": ")[0] for line in captured.out.splitlines()] == [
        str(pictures / name) for name in ("a.jfif", "a.jpe", "a.jpg", "a.pjpeg", "deep/b.jpg")
    ]
    assert captured.err.startswith(
        f"edged: {pictures}/phone.heic: not a picture in a supported format"
    )
    assert captured.err.count("\n") == 1


def test_a_closed_folder_is_told_and_the_rest_go_on(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = pictures / "closed"
    closed.mkdir()
    close(closed, monkeypatch)
    assert main(["classify", "--json", str(pictures)]) == 1
    first, refused, last = documents(capsys)
    assert (first["error"], last["error"]) == (None, None)
    assert refused["path"] == str(closed)
    assert refused["error"].startswith(f"{closed}: permission denied; ")


@pytest.mark.parametrize("as_json", [False, True])
def test_names_are_escaped_in_answers_and_errors(as_json: bool, tmp_path: Path) -> None:
    for name in (b"caf\xe9.jpg", b"e\x1b[31m.jpg", b"f\nedged.jpg", b"z.jpg"):
        target = os.fsencode(tmp_path) + b"/" + name
        shutil.copy(PICTURES / "cat.jpg", target)
        Path(os.fsdecode(target)).with_suffix(".png").write_bytes(b"no picture")
    done = subprocess.run(
        [sys.executable, "-m", "edged", "classify", *(["--json"] * as_json), tmp_path],
        capture_output=True,
        cwd=PICTURES.parents[1],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        timeout=60,
        check=False,
    )
    answers, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1
    assert "\x1b" not in answers + errors
    shown = [r"caf\xe9", r"e\x1b[31m", r"f\nedged", "z"]
    if as_json:
        found = [json.loads(line) for line in answers.splitlines()]
        paths = [document["path"] for document in found]
        assert paths == [f"{tmp_path}/{name}.{end}" for name in shown for end in ("jpg", "png")]
        assert errors == ""
    else:
        for lines, head, end in ((answers, "", "jpg"), (errors, "edged: ", "png")):
            starts = [f"{head}{tmp_path}/{name}.{end}: " for name in shown]
            for line, start in zip(lines.splitlines(), starts, strict=True):
                assert line.startswith(start)


class Piped:
    """Standard input that another program writes to."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


def test_a_picture_comes_through_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Piped((PICTURES / "cat.jpg").read_bytes()))
    assert main(["classify", "--json", "-", str(PICTURES / "cat.jpg")]) == 0
    piped, named = documents(capsys)
    assert piped["path"] == "-"
    assert piped["results"] == named["results"]


def test_standard_input_is_read_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Piped((PICTURES / "rocket.jpg").read_bytes()))
    assert main(["classify", "-", "-"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("-: ")
    assert captured.err == "edged: -: given twice; standard input can be read only once\n"


@pytest.mark.parametrize(
    ("data", "says"), [(b"", "empty; "), (b"no picture", "not a picture in a supported format; ")]
)
def test_what_comes_and_is_no_picture_is_one_line(
    data: bytes, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Piped(data))
    assert main(["classify", "-"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"edged: standard input: {says}")
    assert said.count("\n") == 1


def test_nobody_types_a_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Piped(b"")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["classify", "-"]) == 1
    assert capsys.readouterr().err.startswith("edged: standard input: a terminal; ")


def test_labels_that_were_found_by_a_usual_name_are_told(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = builder.colours(tmp_path / "colours.tflite", "uint8")
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
