"""``edged why`` reads what is kept beside the journal, whether a daemon runs or not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from edged import clock
from edged.cli import main
from edged.cli.why import COLUMNS, plot
from edged.config.schema import DecideConfig, JournalConfig
from edged.core import CAMERA, Event
from edged.journal.journal import Journal
from edged.messages.why import RuleThen, ScoreThen
from tests.mosquitto import wait_until
from tests.why import made
from tests.why.made import CAT, keeping


@pytest.fixture(autouse=True)
def clock_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "trust", lambda _: clock.SYNCHRONIZED)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Events 1 (on) and 2 (off) of a cat, with their pictures."""
    path = tmp_path / "events.db"
    smooth = DecideConfig(smoothing_s=0.3)
    with keeping(path, replace(CAT, cooldown_s=2.0), defaults=smooth, pictures=True) as (loop, _):
        for level, count in ((0.05, 40), (0.9, 20), (0.1, 200)):
            loop.frames(*[level] * count)
    return path


def why(journal: Path, *more: str) -> int:
    return main(["why", "--set", f"journal.path={journal}", *more])


def test_it_says_what_led_to_the_newest_event(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(journal) == 0
    said = capsys.readouterr().out
    assert "2  cat off  " in said.splitlines()[0]
    assert "because  the smoothed score fell below exit (40%)" in said
    assert "rule     cat: greatest of cat\n" in said
    assert "         enter 0.6, exit 0.4, smoothing_s 0.3, cooldown_s 2\n" in said
    assert "10 a second; model m" in said
    assert "cat  (the rule's)" in said
    assert "it would not have come with\n         exit = 0.1 instead of 0.4\n" in said
    assert max(map(len, said.splitlines())) <= 80


def test_an_event_of_the_camera_has_no_scores_and_is_not_the_newest_of_a_rule(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal("porch", JournalConfig(path=str(journal))) as opened:
        wait_until(lambda: opened.last == 2)
        for active in (True, False):
            opened.record([Event(CAMERA, active, 0.0, 9.0, 9.0, 0, cause="camera lost")])
    assert why(journal) == 0
    assert "2  cat off  " in capsys.readouterr().out.splitlines()[0]
    assert why(journal, "3") == 1
    said = capsys.readouterr().err
    assert "3  camera on  camera lost: it is of the camera itself; no scores decide on it" in said


@pytest.mark.parametrize("named", ["1", "porch-1"])
def test_an_event_is_named_by_its_number_or_id(
    named: str, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(journal, named) == 0
    said = capsys.readouterr().out
    assert "1  cat on  " in said.splitlines()[0]
    assert "enter = 0.9 instead of 0.6" in said


def test_json_has_the_event_as_the_journal_does(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(journal, "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    main(["events", "--set", f"journal.path={journal}", "--json"])
    kept = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (told["type"], told["event"]) == ("why", kept)
    assert told["picture"] is True


def test_the_picture_is_written_where_it_is_kept(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why(journal, "1", "--picture", str(tmp_path / "x.jpg")) == 0
    assert (tmp_path / "x.jpg").read_bytes().startswith(b"\xff\xd8")
    assert capsys.readouterr().out.endswith("x.jpg\n")


def test_a_picture_that_is_not_kept_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.db"
    with keeping(path) as (loop, _):
        loop.frames(0.1, 0.9)
    assert why(path, "--picture", str(tmp_path / "x.jpg")) == 1
    assert "its picture was not kept; set why.pictures = true" in capsys.readouterr().err
    assert not (tmp_path / "x.jpg").exists()


def test_an_event_whose_scores_are_gone_is_told_with_what_is_known(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in journal.with_name("events.db.why").iterdir():
        path.unlink()
    assert why(journal, "1") == 1
    told = capsys.readouterr().err
    assert "1  cat on  " in told
    assert "no scores are kept yet" in told
    assert told.count("\n") == 1


def test_a_new_event_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "WALL_S", time.time() - 100.0)
    path = tmp_path / "events.db"
    with keeping(path) as (loop, port):
        loop.frames(0.1, 0.9)
        monkeypatch.setattr("edged.cli.why.time.sleep", lambda _: port.work())
        assert why(path) == 0
    assert "1  cat on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        (["7"], 1, "no event 7; `edged events` lists them"),
        (["--set", "journal.max_events=0"], 69, "neither events nor scores are kept"),
    ],
)
def test_what_is_not_there_is_one_line(
    more: list[str],
    status: int,
    told: str,
    journal: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert why(journal, *more) == status
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_no_journal_yet_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert why(tmp_path / "events.db") == 69
    assert "no journal yet" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "cat", "porch-", "9" * 20, "1.5"])
def test_what_is_no_event_is_a_wrong_command_line(
    text: str, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        why(journal, text)
    assert left.value.code == 2


RULE = RuleThen(
    labels=["cat"],
    match=[],
    combine="max",
    enter=0.6,
    exit=0.4,
    smoothing_s=0.3,
    min_on_s=0.0,
    min_off_s=0.0,
    cooldown_s=0.0,
)


def test_the_plot_shows_scores_where_they_were() -> None:
    scores = [
        ScoreThen(t_s=(place - 30) / 10, raw=0.0, score=place / 59, active=place >= 36)
        for place in range(60)
    ]
    lines = list(plot(scores, RULE))
    rows = [line[9:] for line in lines[:9]]
    assert rows[0].rstrip().endswith("****")
    assert rows[8].startswith("oooo")
    assert rows[3].endswith("- enter")
    assert rows[5].endswith(" exit")
    assert all(row[30] in ":o" for row in rows)
    assert max(len(row) for row in rows) <= COLUMNS + 6
    assert lines[9].split() == ["-3.0", "s", "+2.9", "s"]


def test_a_plot_of_one_moment_is_no_error() -> None:
    score = ScoreThen(t_s=0.0, raw=1.0, score=1.0, active=True)
    assert len(list(plot([score, score], RULE))) == 11
