"""The program on a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import __main__, compare, pictures
from tests.inference import builder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A float model of colours that is told how it is normalised, and two pictures."""
    builder.colours(tmp_path / "colours.tflite")
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n")
    (tmp_path / "cases.toml").write_text(
        '[colours]\nmean = [0.0]\nstd = [255.0]\nlabels = "names.txt"\nfit = "crop"\n'
    )
    pictures.scene(40, 30).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture(autouse=True)
def without_other_runtimes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(__main__, "TFLITE", tmp_path / "absent")


def run(folder: Path, *more: str) -> int:
    return __main__.main(["--models", str(folder), "--pictures", str(folder), *more])


def test_ones_own_models_and_pictures_are_told_of_on_the_terminal(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = own / "report.md"
    assert run(own, "--out", str(out)) == 0
    said = capsys.readouterr()
    assert "| colours | 2 × 2 | 2 of 2 |" in said.out
    assert "| litert, crop | 2 | 1 | 0 | 0 | 0 | 1 |" in said.out
    assert "stretch |" not in said.out
    assert "| colours | b.png | b.png: " in said.out
    assert "Not run, as it is not installed: tflite_runtime." in said.out
    assert said.err.endswith("4 cases: 2 agree, 0 disagree\n")
    assert not out.exists()


def test_a_disagreement_is_listed_and_makes_the_exit_status_1(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "TIMES_MOVED", -1e9)
    assert run(own) == 1
    assert "| colours | litert, crop | a.png | class " in capsys.readouterr().out


def test_where_nothing_could_be_compared_the_exit_status_is_1(own: Path) -> None:
    (own / "a.png").unlink()
    assert run(own) == 1


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ("[birds]", "cases.toml: no model birds.tflite in"),
        ("[colours]\nmeans = [1.0]", "cases.toml: [colours] may have channels, fit, labels,"),
        ("[colours]\nmean = 1.0", "cases.toml: [colours]: Expected `array`, got `float`"),
        ('[colours]\nfit = "squash"', "cases.toml: [colours]: Invalid enum value 'squash'"),
        ("[colours", "cases.toml: Expected ']'"),
    ],
)
def test_what_is_told_wrongly_is_one_line(
    own: Path, capsys: pytest.CaptureFixture[str], told: str, line: str
) -> None:
    (own / "cases.toml").write_text(told)
    assert run(own) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"make conformance: {own}/")
    assert line in said
    assert said.count("\n") == 1


def test_a_folder_without_models_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m").mkdir()
    assert run(tmp_path / "m") == 2
    assert "m: no model in this folder (*.tflite)" in capsys.readouterr().err
