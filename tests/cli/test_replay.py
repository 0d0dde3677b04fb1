"""``edged replay`` decides on a recording once more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from edged.cli import main
from edged.config.schema import DecideConfig, RuleConfig
from edged.recording.records import Seen
from edged.recording.writer import Writer
from tests.recording.made import Loop, waiting, written

CAT = RuleConfig(name="cat", labels=["cat"])
PLAIN = DecideConfig(smoothing_s=0.0)


@pytest.fixture
def loop() -> Loop:
    return Loop([CAT], PLAIN)


@pytest.fixture
def path(loop: Loop, tmp_path: Path) -> Path:
    """A cat that comes twice; once only a little."""
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.1, 0.65, 0.1)
    return written(tmp_path / "a.rec", lane)


def test_the_events_are_told_as_edged_events_does(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(path)]) == 0
    *events, summary = capsys.readouterr().out.splitlines()
    assert [line.split()[2:] for line in events] == [
        ["1", "cat", "on", "90%"],
        ["2", "cat", "off", "10%"],
        ["3", "cat", "on", "65%"],
        ["4", "cat", "off", "10%"],
    ]
    assert re.fullmatch(rf"{path}: 4 of 4 events identical; 4 frames, 0\.3 s in \d\.\d s", summary)


def test_json_is_the_events_and_a_summary(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(path), "--json"]) == 0
    *events, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(one["number"], one["active"], one["device"]) for one in events] == [
        (1, True, "porch"),
        (2, False, "porch"),
        (3, True, "porch"),
        (4, False, "porch"),
    ]
    assert (summary["recorded"], summary["made"], summary["identical"]) == (4, 4, 4)
    assert (summary["frames"], summary["lost"], summary["broken"]) == (4, 0, None)


def test_other_thresholds_decide_otherwise(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(path), "--set", "rule.cat.enter=0.8"]) == 0
    *events, summary = capsys.readouterr().out.splitlines()
    assert len(events) == 2
    assert "2 events by other rules, 4 recorded" in summary


def test_the_rules_of_a_configuration_decide_instead(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "other.toml"
    config.write_text('[[rule]]\nname = "pet"\nlabels = ["cat", "dog"]\nsmoothing_s = 0.0\n')
    assert main(["replay", str(path), "--config", str(config)]) == 0
    assert capsys.readouterr().out.count("pet on") == 2


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("camera.fps=3", "--set camera.fps: a replay has rules alone"),
        ("rule.dog.enter=0.5", "there is no rule dog; there are: cat"),
        ("rule.cat.enter=7", "--set rule.cat.enter=7: expected a number from 0 to 1"),
        ("rule.cat.enter=0.1", "expected at least decide.exit, which is 0.4"),
    ],
)
def test_what_cannot_be_set_is_told(
    override: str, told: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(path), "--set", override]) != 0
    assert told in capsys.readouterr().err


def test_a_label_that_it_does_not_have_is_told(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(path), "--set", 'rule.cat.labels=["owl"]']) == 78
    assert 'rule "cat": the model has no label "owl"' in capsys.readouterr().err


def test_events_that_are_not_made_again_are_counted(
    loop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.1)
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        for record in waiting(lane):
            if isinstance(record, Seen) and record.events:
                (event,) = record.events
                events = (replace(event, score=event.score + 1e-12),) if event.active else ()
                record = replace(record, events=events)
            writer.write(record)
        writer.end("")
    assert main(["replay", str(path)]) == 1
    assert "0 of 1 events identical, 1 more made" in capsys.readouterr().out


def test_one_that_is_cut_short_is_used_as_far_as_it_is_sound(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(path.read_bytes()[:-60])
    assert main(["replay", str(path)]) == 1
    said = capsys.readouterr()
    assert "events identical" in said.out
    assert re.search(r"a\.rec: cut short within a record; only what comes before byte", said.err)
    assert said.err.count("\n") == 1


def test_what_is_no_recording_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.rec").write_bytes(b"no recording")
    for more in ([], ["--set", "rule.cat.enter=0.8"]):
        assert main(["replay", str(tmp_path / "a.rec"), *more]) == 65
        assert "not a recording of edged" in capsys.readouterr().err


def test_one_with_nothing_in_it_has_no_rules_to_change(
    tmp_path: Path, loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.rec", loop.lane())
    assert main(["replay", str(path)]) == 0
    assert main(["replay", str(path), "--set", "rule.cat.enter=0.8"]) == 1
    assert "nothing is recorded in it" in capsys.readouterr().err
