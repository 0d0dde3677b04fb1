"""``edged tune`` searches the settings of a rule on recordings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from edged.cli import main
from edged.config.load import load
from edged.config.schema import DecideConfig, RuleConfig
from edged.recording.records import Setup
from edged.recording.writer import Writer
from tests.recording.made import Loop, waiting, written
from tests.tuning.made import recorded


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return recorded(tmp_path_factory.mktemp("rec"), "a", seed=1)


def tune(made: tuple[Path, Path], *more: str) -> int:
    path, table = made
    return main(["tune", str(path), "--truth", str(table), "--tries", "60", *more])


def test_it_shows_what_it_found_and_what_to_paste(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(made) == 0
    said = capsys.readouterr().out
    assert re.match(r"rule cat: \d+ marks in 0\.17 h of 1 recordings; \d+ settings tried", said)
    for name in ("now", "found", "held back"):
        assert re.search(rf"^{name} .* s$", said, re.M)
    assert max(map(len, said.splitlines())) <= 90
    _, _, lines = said.partition("In [[rule]] cat:\n")
    assert lines
    config = tmp_path / "my.toml"
    config.write_text(f'[[rule]]\nname = "cat"\nlabels = ["cat"]\n{lines}')
    assert load(config).rule[0].enter is not None or "enter" not in lines


def test_json_says_the_same(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(made, "--json", "--seed", "2") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["type"], told["rule"], told["seed"], told["model"]) == ("tuned", "cat", 2, "m")
    now, found = told["now"]["counts"], told["found"]["counts"]
    assert found["false_alarms"] < now["false_alarms"]
    assert found["misses"] <= now["misses"]
    assert told["now"]["settings"]["enter"] == 0.6
    assert told["front"]


def test_the_plot_is_an_svg_document(made: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "tune.svg"
    assert tune(made, "--plot", str(path)) == 0
    texts = [one.text for one in ET.parse(path).getroot().iter() if one.text]  # noqa: S314
    assert "now" in texts
    assert "found" in texts
    assert "false alarms a day" in texts


def test_few_marks_are_told(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, table = made
    few = tmp_path / "few.csv"
    few.write_text("\n".join([*table.read_text().splitlines()[:4], ""]))
    assert tune((path, few)) == 0
    assert "Only 3 marks: record and mark more" in capsys.readouterr().out


def test_where_nothing_is_better_the_present_settings_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])], DecideConfig(smoothing_s=0.0))
    lane = loop.lane()
    loop.frames(*[0.0] * 100, *[1.0] * 100, *[0.0] * 100)
    path = written(tmp_path / "a.rec", lane)
    table = tmp_path / "marks.csv"
    table.write_text("start,end,label\n9.9,19.9,cat\n")
    assert tune((path, table)) == 0
    assert "Nothing better was found: keep the present settings." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        (["--rule", "cot"], 1, "no rule cot; did you mean cat?; it has cat"),
        (["--truth", "/nowhere.csv"], 65, "/nowhere.csv: No such file or directory"),
    ],
)
def test_what_is_wrong_is_one_line(
    more: list[str],
    status: int,
    told: str,
    made: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tune(made, *more) == status
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_which_rule_is_asked_where_there_are_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop([RuleConfig(name=name, labels=[name]) for name in ("cat", "dog")])
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.1)
    path = written(tmp_path / "a.rec", lane)
    table = tmp_path / "marks.csv"
    table.write_text("start,end,label\n0,0.1,cat\n")
    assert tune((path, table)) == 1
    assert "which rule? Give --rule: cat, dog" in capsys.readouterr().err


def test_recordings_of_two_models_are_not_tuned_on_together(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, table = made
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.1)
    other = tmp_path / "b.rec"
    with Writer(other) as writer:
        writer.write(lane.header("porch"))
        for record in waiting(lane):
            changed = replace(record, model="n") if isinstance(record, Setup) else record
            writer.write(changed)
        writer.end("")
    assert main(["tune", str(path), str(other), "--truth", str(table)]) == 65
    said = capsys.readouterr().err
    assert "b.rec: recorded with model n, " in said
    assert said.endswith("their scores differ: tune each by itself\n")


def test_a_model_that_changed_meanwhile_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.1)
    loop.reload([RuleConfig(name="cat", labels=["cat"])], labels=("cat", "dog", "fox", "owl"))
    loop.frame([0.9, 0.0, 0.0, 0.0])
    path = written(tmp_path / "a.rec", lane)
    table = tmp_path / "marks.csv"
    table.write_text("start,end,label\n0,0.1,cat\n")
    assert tune((path, table)) == 65
    assert "the model changed while it was recorded" in capsys.readouterr().err


def test_one_that_is_cut_short_is_used_and_told(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, table = made
    cut = tmp_path / "a.rec"
    cut.write_bytes(path.read_bytes()[:-40])
    assert tune((cut, table)) == 1
    said = capsys.readouterr()
    assert "found" in said.out
    assert "a.rec: cut short" in said.err


def test_an_empty_recording_is_one_line(
    tmp_path: Path, made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop([RuleConfig(name="cat", labels=["cat"])])
    path = written(tmp_path / "a.rec", loop.lane())
    assert tune((path, made[1])) == 65
    assert "nothing is recorded in it" in capsys.readouterr().err
