"""``edged review``, with a daemon's control socket and without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edged.cli import main
from edged.cli import review as review_module
from edged.config.schema import ReviewConfig
from edged.imaging.picture import decode_picture, jpeg
from edged.mailbox import Mailbox
from edged.ports.control.server import ControlSocket
from edged.review.folder import Folder
from edged.review.port import ReviewPort
from tests.review.made import kept, names
from tests.teaching.pictures import picture


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Six kept pictures of a device without a daemon."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(review_module, "_me", lambda: "ann")
    made = Folder(tmp_path / "state" / "events-edged.db.review")
    keep(made, 6)
    return made


def keep(folder: Folder, count: int) -> None:
    with folder.locked():
        for number in range(count):
            folder.add(kept(because="unknown"), jpeg(picture("disc", number), 95))


@contextmanager
def daemon(tmp_path: Path, folder: Folder) -> Iterator[ReviewPort]:
    """What of a daemon answers to `edged review`."""
    mailbox, done = Mailbox(), threading.Event()
    config = ReviewConfig(max_age_s=31_536_000.0)
    with (
        ReviewPort(config, folder.path, "edged", wall_clock=lambda: 1_780_000_100.0) as port,
        ControlSocket(tmp_path / "run" / "edged.sock", "edged", mailbox),
    ):

        def loop() -> None:
            while not done.wait(0.002):
                for request in mailbox.take():
                    port.answer(request)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            done.set()
            thread.join()


def review(*words: str, status: int = 0) -> None:
    assert main(["review", *words]) == status


@pytest.fixture(params=["alone", "daemon"])
def either(request: pytest.FixtureRequest, tmp_path: Path, folder: Folder) -> Iterator[str]:
    """Both ways, which do the same."""
    if request.param == "alone":
        yield "alone"
        return
    with daemon(tmp_path, folder):
        yield "daemon"


@pytest.mark.usefixtures("either")
def test_the_list_shows_what_is_kept_and_where(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    review()
    *pictures, where = capsys.readouterr().out.splitlines()
    assert len(pictures) == 6
    assert pictures[0].startswith("   1  2026-05-2")
    assert pictures[0].endswith("cat 45%, dog 40%  (looks unknown)")
    assert where == f"each is NUMBER.jpg in {folder.path}"
    review("--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["type"], len(told["pictures"]), told["max_pictures"]) == ("review", 6, 200)


@pytest.mark.usefixtures("either")
def test_people_accept_correct_and_discard(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    review("1", "--accept")
    assert capsys.readouterr().out.splitlines()[0].endswith("  accepted: cat, by ann")
    review("--correct", "my disc", "2-4", "6")
    assert len(capsys.readouterr().out.splitlines()) == 5
    review("5", "--discard")
    review("1", "--discard", status=1)
    assert "picture 1 was accepted as cat by ann meanwhile" in capsys.readouterr().err
    review("1", "--discard", "--again")
    labels = {entry.number: entry.kept.decision for entry in folder.entries()}
    assert {number: one and one.label for number, one in labels.items()} == dict.fromkeys(
        (2, 3, 4, 6), "my disc"
    )
    review("--clear")
    assert capsys.readouterr().out.splitlines()[-1].startswith("no picture is ")
    assert folder.entries() == []


@pytest.mark.usefixtures("either")
def test_pictures_can_be_looked_at_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    review("2", "--out", "seen")
    assert names(tmp_path / "seen") == ["2.jpg"]
    assert decode_picture((tmp_path / "seen" / "2.jpg").read_bytes(), "x").shape == (64, 64, 3)
    review("--export", "set", status=1)
    assert "nothing to export" in capsys.readouterr().err
    review("1-2", "--correct", "../my disc")
    review("--export", "set")
    assert capsys.readouterr().out.splitlines()[-1] == "written to set: 2 pictures"
    assert names(tmp_path / "set") == ["%2E.%2Fmy disc", "pictures.csv"]


def test_what_was_decided_is_taught_and_undone(capsys: pytest.CaptureFixture[str]) -> None:
    review("--teach", status=1)
    assert "nobody has said yet what a picture shows" in capsys.readouterr().err
    review("1-6", "--correct", "my disc")
    capsys.readouterr()
    review("--teach")
    assert capsys.readouterr().out.splitlines() == [
        "note: my disc: 6 pictures; 10 or more do better",
        "taught now: my disc (6 pictures)",
        "`edged teach --undo` takes it back; `edged review --clear` removes the pictures",
    ]
    assert main(["teach", "--list"]) == 0
    assert "  review 1 of porch, " in capsys.readouterr().out
    assert main(["teach", "--undo"]) == 0
    assert "taught now: nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (1, ["9"], "picture 9 is not kept"),
        (1, ["9", "--accept"], "picture 9 is not kept"),
        (2, ["--accept"], "name the pictures by their numbers"),
        (1, ["1", "--correct", ""], "a label must not be empty"),
        (2, ["1", "--teach"], "--teach takes all pictures that were decided on, and no numbers"),
        (2, ["1", "--export", "x"], "--export takes all pictures"),
        (1, ["--clear"], "nothing to clear: no picture was decided on"),
    ],
)
@pytest.mark.usefixtures("either")
def test_what_is_wrong_is_one_line(
    status: int, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    review(*words, status=status)
    [line] = [one for one in capsys.readouterr().err.splitlines() if "requested by" not in one]
    assert line.startswith("edged: ")
    assert told in line


@pytest.mark.parametrize("word", ["x", "0", "3-1", "1-99999", "-1"])
def test_what_is_no_number_is_told(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["review", word])
    assert word in capsys.readouterr().err


def test_where_nothing_is_kept_the_list_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "other"))
    review()
    assert capsys.readouterr().out == "no picture is kept; set review.enabled to true\n"
    review("--set", "review.enabled=true")
    assert capsys.readouterr().out == "no picture is kept yet\n"


def test_many_pictures_are_more_than_one_request(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_module, "AT_ONCE", 2)
    with daemon(tmp_path, folder):
        review("1-5", "--accept")
    assert [bool(entry.kept.decision) for entry in folder.entries()] == [True] * 5 + [False]
