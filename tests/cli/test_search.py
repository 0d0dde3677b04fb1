"""``edged search`` over a folder of pictures."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.batch import Batch
from edged.cli import main
from edged.search import search as search_module
from tests.inference import builder
from tests.inference.test_layers import headed

PICTURES = Path(__file__).parents[1] / "pictures"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(PICTURES / "cat.jpg", folder / "a.jpg")
    shutil.copy(PICTURES / "rocket.jpg", folder / "deep" / "b.jpg")
    for path in folder.rglob("*.jpg"):
        settle(path)
    return folder


def settle(path: Path) -> None:
    """As if it had been there for long."""
    import os

    os.utime(path, (1e9, 1e9))


class Looked:
    """How many pictures the model has looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        answers = Batch.answers

        def counted(batch: Batch, found: Any) -> Any:
            self.count += len(found)
            return answers(batch, found)

        monkeypatch.setattr(Batch, "answers", counted)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Looked:
    return Looked(monkeypatch)


def names(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [Path(line.split("% ")[1].split(": ")[0]).name for line in printed(capsys)]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_word_finds_the_pictures_that_show_it(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "CAT", str(pictures)]) == 0
    [line] = printed(capsys)
    assert line.endswith(f"% {pictures / 'a.jpg'}: cat")


def test_any_of_several_words_finds_a_picture_the_best_first(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "ship", "cat", str(pictures)]) == 0
    lines = printed(capsys)
    scores = [float(line.split("%")[0]) for line in lines]
    assert len(lines) == 2
    assert scores == sorted(scores, reverse=True)


def test_without_a_path_the_present_folder_is_searched(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pictures)
    assert main(["search", "cat"]) == 0
    assert names(capsys) == ["a.jpg"]


def test_the_first_word_may_be_the_name_of_a_folder_and_others_are_places(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pictures)
    (pictures / "cat").mkdir()
    shutil.copy(PICTURES / "cat.jpg", pictures / "cat" / "c.jpg")
    assert main(["search", "cat", "cat"]) == 0
    assert names(capsys) == ["c.jpg"]


def test_the_second_search_looks_at_no_picture(
    pictures: Path, looked: Looked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "cat", str(pictures)]) == 0
    first = printed(capsys)
    assert main(["search", "cat", str(pictures)]) == 0
    assert printed(capsys) == first
    assert looked.count == 2


def test_a_picture_that_is_new_or_changed_is_looked_at(
    pictures: Path, looked: Looked, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", "cat", str(pictures)])
    shutil.copy(PICTURES / "cat.jpg", pictures / "c.jpg")
    shutil.copy(PICTURES / "cat.jpg", pictures / "deep" / "b.jpg")
    capsys.readouterr()
    looked.count = 0
    assert main(["search", "cat", str(pictures)]) == 0
    assert sorted(names(capsys)) == ["a.jpg", "b.jpg", "c.jpg"]
    assert looked.count == 2


def test_a_picture_that_was_written_just_now_is_looked_at_again(
    pictures: Path, looked: Looked, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PICTURES / "cat.jpg", pictures / "c.jpg")
    for _ in range(2):
        main(["search", "cat", str(pictures)])
    assert looked.count == 3 + 1


def test_a_picture_that_is_gone_is_not_found_and_a_folder_that_moved_is_known(
    pictures: Path, looked: Looked, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", "cat", str(pictures)])
    (pictures / "deep").rename(pictures / "moved")
    (pictures / "a.jpg").unlink()
    capsys.readouterr()
    looked.count = 0
    assert main(["search", "cat", "ship", str(pictures)]) == 0
    [found] = printed(capsys)
    assert str(pictures / "moved" / "b.jpg") in found
    assert looked.count == 0


def test_another_model_and_other_settings_have_answers_of_their_own(
    pictures: Path, looked: Looked, tmp_path: Path
) -> None:
    model = headed(tmp_path / "model.tflite")
    float_input = ["--model", str(model), "--mean", "0", "--std", "255"]
    main(["search", "cat", str(pictures)])
    main(["search", "warm", str(pictures), *float_input])
    assert looked.count == 4
    main(["search", "warm", str(pictures), *float_input, "--fit", "crop"])
    assert looked.count == 6
    (tmp_path / "model.txt").write_text("hot\nwarm\n")
    main(["search", "warm", str(pictures), *float_input])
    assert looked.count == 8


def test_the_index_may_be_deleted_or_done_without(
    pictures: Path, looked: Looked, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["search", "cat", str(pictures)])
    shutil.rmtree(cache)
    assert main(["search", "cat", "--no-index", str(pictures)]) == 0
    assert not cache.exists()
    assert looked.count == 4


def test_a_damaged_picture_is_told_each_time_and_looked_at_once(
    pictures: Path, looked: Looked, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "bad.jpg").write_bytes(b"no picture")
    settle(pictures / "bad.jpg")
    for _ in range(2):
        assert main(["search", "cat", str(pictures)]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(
            f"edged: {pictures}/bad.jpg: not a picture in a supported format"
        )
        assert len(captured.out.splitlines()) == 1
    assert looked.count == 3


def test_a_damaged_picture_is_told_by_the_name_by_which_it_is_found(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "bad.jpg").write_bytes(b"no picture")
    settle(pictures / "bad.jpg")
    main(["search", "cat", str(pictures)])
    monkeypatch.chdir(pictures)
    (pictures / "hard.jpg").hardlink_to(pictures / "bad.jpg")
    capsys.readouterr()
    assert main(["search", "cat"]) == 1
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "bad.jpg",
        "hard.jpg",
    ]


def test_standard_input_is_no_file_of_this_name(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pictures)
    shutil.copy(PICTURES / "rocket.jpg", "-")
    settle(Path("-"))
    for name, found in (("rocket", []), ("cat", ["-"])):
        content = io.BytesIO((PICTURES / f"{name}.jpg").read_bytes())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
        assert main(["search", "cat", "-"]) == 0
        assert names(capsys) == found


def test_like_finds_similar_pictures_and_not_the_picture_itself(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PICTURES / "cat.jpg", pictures / "twin.jpg")
    assert main(["search", "--like", str(pictures / "a.jpg"), str(pictures)]) == 0
    assert names(capsys) == ["twin.jpg", "b.jpg"]
    (pictures / "link.jpg").symlink_to("a.jpg")
    assert main(["search", "--like", str(pictures / "link.jpg"), str(pictures)]) == 0
    assert names(capsys) == ["twin.jpg", "b.jpg"]
    (pictures / "link.jpg").unlink()
    assert main(["search", "--like", str(PICTURES / "cat.jpg"), "--limit", "2", str(pictures)]) == 0
    assert sorted(names(capsys)) == ["a.jpg", "twin.jpg"]
    assert main(["search", "--like", str(PICTURES / "cat.jpg"), "--least", "1", str(pictures)]) == 0
    assert sorted(names(capsys)) == ["a.jpg", "twin.jpg"]


def test_json_has_one_document_a_picture(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "bad.jpg").write_bytes(b"no picture")
    assert main(["search", "cat", "--json", str(pictures)]) == 1
    failed, found = map(json.loads, printed(capsys))
    assert failed["path"] == str(pictures / "bad.jpg")
    assert "not a picture" in failed["error"]
    assert found["path"] == str(pictures / "a.jpg")
    assert found["label"] == "cat"
    assert 0.2 <= found["score"] <= 1
    assert found["error"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to search for: give a word, or --like PICTURE"),
        (["unicorn"], "has the word"),
        (["--like", "absent.jpg"], "--like absent.jpg: no such file"),
        (
            ["--like", "CAT", "word"],
            "word: no such file or folder; --like takes no words",
        ),
    ],
)
def test_what_cannot_be_searched_for_is_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(PICTURES / "cat.jpg") if word == "CAT" else word for word in words]
    assert main(["search", *words]) != 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert says in captured.err


def test_a_model_without_features_cannot_compare(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = builder.colours(tmp_path / "colours.tflite", "uint8")
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    like = ["--like", str(PICTURES / "cat.jpg"), str(pictures), "--model", str(model)]
    assert main(["search", *like]) == 65
    assert search_module.NO_FEATURES in capsys.readouterr().err
