"""``edged models evaluate`` and ``compare``, as they are typed."""

from __future__ import annotations

import json
import os
import re
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from edged.cli import main
from edged.evaluation import blessing
from edged.imaging.picture import decode_jpeg
from tests.evaluation.conftest import data, model

__all__ = ["data", "model"]


def test_evaluate_prints_one_json_document(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["models", "evaluate", str(model), "--data", str(data), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == 0
    assert (document["kind"], document["schema"]) == ("evaluation", 1)
    assert document["overall"]["top1"] == pytest.approx(5 / 6, abs=1e-6)
    assert document["model"]["footprint"]["rss_mb"] > 10
    assert all(check["holds"] for check in document["conformance"])


def test_evaluate_prints_markdown_and_writes_page_and_golden_outputs(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, golden = tmp_path / "report.html", tmp_path / "golden.json"
    options = ["--slice", "label", "--html", str(page), "--write-golden", str(golden)]
    assert main(["models", "evaluate", str(model), "--data", str(data), *options]) == 0
    assert "| label  | red   |" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")
    assert len(json.loads(golden.read_text())["pictures"]) == 6


def test_what_cannot_be_read_is_counted_and_told(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "red" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert main(["models", "evaluate", str(model), "--data", str(data)]) == 1
    said = capsys.readouterr().out
    assert "- unreadable: 1\n  - red/phone.heic: not a picture in a supported format" in said


@pytest.mark.parametrize("gate", ["top1_min = 0.5", "top1_min = 0.5\nunreadable_max = 0.0"])
def test_compare_tells_what_cannot_be_read_and_blesses_nothing(
    model: Path, data: Path, tmp_path: Path, gate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "red" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "gate.toml").write_text(f"[overall]\n{gate}\n")
    command = ["models", "compare", str(model), str(model), "--data", str(data)]

    assert main([*command, "--gate", str(tmp_path / "gate.toml")]) == 1

    said = capsys.readouterr().out
    assert "- unreadable: 1\n  - red/phone.heic: not a picture in a supported format" in said
    assert "- FAILS: overall: unreadable <= 0: 0.1429" in said
    assert not blessing.path_of(model).exists()


def test_compare_without_a_gate_shows_both_and_blesses_nothing(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["models", "compare", str(model), str(model), "--data", str(data)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert re.search(r"^\| measure +\| +NEW +\| +OLD +\|$", said, re.M)
    assert said.endswith("\nWithout --gate nothing is judged or blessed.\n")
    assert not blessing.path_of(model).exists()
    (data / "red" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert main(command) == 1


def test_an_evaluation_and_a_comparison_fit_a_screen_of_80_columns(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.with_suffix(".txt").write_text("red\n" + "green, " * 30 + "\nblue\n")
    (tmp_path / "gate.toml").write_text("[overall]\ntop1_min = 0.5\ntop1_drop_max = 0.01\n")
    data.joinpath("green").rename(data / model.with_suffix(".txt").read_text().split("\n")[1])
    evaluate = ["evaluate", str(model), "--data", str(data), "--slice", "brightness"]
    compare = ["compare", str(model), str(model), "--data", str(data)]
    gate = ["--gate", str(tmp_path / "gate.toml")]
    for command in (evaluate, compare, [*compare, *gate]):
        assert main(["models", *command]) == 0
        # Names of files are whole.
        said = capsys.readouterr().out.splitlines()
        lines = [line for line in said if not line.startswith(("  - ", "Blessed: "))]
        assert [line for line in lines if len(line) > 80] == []


def test_a_report_shows_pictures_of_surely_wrong_answers_and_doubtful_labels(
    model: Path, data: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    command = ["models", "evaluate", str(model), "--data", str(data), "--html", str(page)]
    assert main(command) == 0
    text = page.read_text()
    shown = re.findall(
        r'<img src="data:image/jpeg;base64,([^"]+)" alt=""><figcaption>(.*?)<br>', text
    )
    assert shown[0][1].startswith("red predicted as blue (")
    for encoded, _ in shown:
        pixels = decode_jpeg(b64decode(encoded), "test")
        assert np.abs(pixels.reshape(-1, 3).mean(0) - (0, 0, 255)).max() < 30
    assert "red/<wbr>odd.png" in text
    assert "img-src data:" in text


def test_compare_blesses_where_the_gate_allows_what_cannot_be_read(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "red" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "gate.toml").write_text("[overall]\nunreadable_max = 0.2\n")
    command = ["models", "compare", str(model), str(model), "--data", str(data)]

    assert main([*command, "--gate", str(tmp_path / "gate.toml")]) == 0

    assert "- unreadable: 1" in capsys.readouterr().out
    assert blessing.path_of(model).exists()


def test_names_that_are_no_utf8_are_escaped_in_all_that_is_written(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = data.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    (named / "red" / "0.png").rename(named / "red" / os.fsdecode(b"\xe9\x1b.png"))
    odd = model.rename(tmp_path / os.fsdecode(b"m\xe9.tflite"))
    page, golden = tmp_path / "report.html", tmp_path / "golden.json"
    options = ["--html", str(page), "--write-golden", str(golden), "--slice", "label"]
    arguments = ["models", "evaluate", str(odd), "--data", str(named)]
    labels = ["--labels", str(tmp_path / "colours.txt")]
    assert main([*arguments, *labels, *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["data"]["name"], document["model"]["name"]) == (r"caf\xe9", r"m\xe9")
    assert r"m\xe9" in page.read_text()
    names = [picture["name"] for picture in json.loads(golden.read_text())["pictures"]]
    assert r"red/\xe9\x1b.png" in names


def test_without_jinja2_a_page_is_refused_before_anything_is_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    options = ["--data", "/nowhere", "--html", str(tmp_path / "report.html")]
    assert main(["models", "evaluate", str(model), *options]) == 78
    said = capsys.readouterr().err
    assert said == f"edged: --html needs jinja2: {sys.executable} -m pip install jinja2\n"


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--slice", "lihgt"], 65, 'slice "lihgt": no such column'),
        (["--html", "/nowhere/report.html"], 1, "/nowhere/report.html: cannot be written"),
        (["--data", "/nowhere"], 65, "/nowhere: no such file or folder"),
        (["--labels", "/nowhere.txt"], 65, "/nowhere.txt cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(
    model: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    status: int,
    said: str,
) -> None:
    arguments = ["models", "evaluate", str(model), "--data", str(data), *options]
    assert main(arguments) == status
    streams = capsys.readouterr()
    assert streams.out == ""
    [line] = streams.err.splitlines()
    assert line.startswith("edged: ")
    assert said in line


def test_compare_blesses_what_holds_and_nothing_else(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate.toml"
    command = ["models", "compare", str(model), str(model), "--data", str(data)]
    gate.write_text("[overall]\ntop1_min = 0.9\n")
    assert main([*command, "--gate", str(gate)]) == 1
    assert "FAILS" in capsys.readouterr().out
    assert not blessing.path_of(model).exists()
    gate.write_text("[overall]\ntop1_min = 0.8\ntop1_drop_max = 0.0\n")
    assert main([*command, "--gate", str(gate), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blessed"] is True
    assert blessing.path_of(model).exists()


def test_a_wrong_gate_file_exits_as_wrong_configuration(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = tmp_path / "gate.toml"
    gate.write_text("[overal]\ntop1_min = 0.9\n")
    command = ["models", "compare", str(model), str(model), "--data", str(data)]
    assert main([*command, "--gate", str(gate)]) == 78
    assert "did you mean overall?" in capsys.readouterr().err


def test_quantize_names_a_source_that_is_none(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "quantize", "/nowhere.keras", "--data", str(data)]) == 65
    assert "give a .keras file or a SavedModel folder" in capsys.readouterr().err
