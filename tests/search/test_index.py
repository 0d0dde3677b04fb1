"""The index of pictures: what it keeps, and that it is only a cache."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edged.core import Prediction
from edged.errors import PictureError
from edged.search import index as index_module
from edged.search.index import MODELS, Identity, Index, Known, said

SCORES = np.array([0.1, 0.0, 0.7, 0.2, 0.0001], np.float32)
FEATURES = np.array([0.0, 4.0, 1.0, -1.0], np.float32)


def known(error: str = "") -> Known:
    if error:
        return said(None, PictureError("a.jpg", error))
    return said(Prediction(SCORES, "abcde", {}, "m", FEATURES), None)


def identity(path: Path, content: bytes = b"x") -> Identity:
    path.write_bytes(content)
    found = Identity.of(path)
    assert found is not None
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "pictures.sqlite"


def alike(one: Known, other: Known) -> bool:
    return (
        one.classes.tolist() == other.classes.tolist()
        and one.features.tolist() == other.features.tolist()
        and one.error == other.error
    )


def test_scores_are_kept_best_first_and_features_as_their_roots() -> None:
    one = known()
    assert one.classes["index"].tolist() == [2, 3, 0]
    assert one.classes["score"].tolist() == pytest.approx([0.7, 0.2, 0.1])
    assert one.features.tolist() == [0, 255, 128, 0]
    assert one.error is None


def test_features_that_are_all_zero_are_kept() -> None:
    one = said(Prediction(SCORES, "abcde", {}, "m", np.zeros(3, np.float32)), None)
    assert one.features.tolist() == [0, 0, 0]


@pytest.mark.parametrize("error", ["", "damaged picture"])
def test_what_was_said_is_known_the_next_time(error: str, tmp_path: Path, path: Path) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known(error))
    with Index(path, b"m") as index:
        found = index.known([one], features=True)
    assert alike(found[one], known(error))


def test_another_content_another_file_and_another_model_are_not_known(
    tmp_path: Path, path: Path
) -> None:
    picture = tmp_path / "a.jpg"
    one = identity(picture)
    with Index(path, b"m") as index:
        index.keep(picture, one, known())
        longer = identity(picture, b"xy")
        picture.write_bytes(b"x")
        os.utime(picture, ns=(0, one.written_ns + 1))
        later = Identity.of(picture)
        other = identity(tmp_path / "b.jpg")
        assert later is not None
        assert list(index.known([one, longer, later, other])) == [one]
    with Index(path, b"n") as index:
        assert index.known([one]) == {}


def test_what_is_kept_again_replaces_what_was_there(tmp_path: Path, path: Path) -> None:
    picture = tmp_path / "a.jpg"
    with Index(path, b"m") as index:
        index.keep(picture, identity(picture), known("damaged picture"))
        longer = identity(picture, b"xy")
        index.keep(picture, longer, known())
        assert alike(index.known([longer], features=True)[longer], known())
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM picture").fetchone() == (1,)


def test_pictures_that_are_gone_from_a_folder_are_forgotten(tmp_path: Path, path: Path) -> None:
    for folder in ("in", "in2"):
        (tmp_path / folder).mkdir()
    there, gone, beside = (
        (tmp_path / name, identity(tmp_path / name))
        for name in ("in/a.jpg", "in/b.jpg", "in2/c.jpg")
    )
    with Index(path, b"m") as index:
        for one in (there, gone, beside):
            index.keep(*one, known())
        index.forget(tmp_path / "in", [there[1]])
        assert set(index.known([one[1] for one in (there, gone, beside)])) == {there[1], beside[1]}


def test_a_file_that_is_new_is_not_settled(tmp_path: Path) -> None:
    one = identity(tmp_path / "a.jpg")
    assert not one.settled(one.written_ns / 1e9 + 1)
    assert one.settled(one.written_ns / 1e9 + 3)
    # Its time may come from a camera whose clock is ahead.
    assert one.settled(one.written_ns / 1e9 - 3600)


def test_nothing_has_the_identity_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert Identity.of(tmp_path / "absent") is None


@pytest.mark.parametrize("far", ["st_ino", "st_mtime_ns"])
def test_an_inode_and_a_time_beyond_a_signed_number_can_be_kept(
    far: str, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"st_dev": 7, "st_ino": 1, "st_size": 5, "st_mtime_ns": 8, "st_ctime_ns": 9}
    status = SimpleNamespace(**(numbers | {far: (1 << 64) - 2}))
    monkeypatch.setattr(Path, "stat", lambda _: status)
    one = Identity.of(tmp_path / "a.jpg")
    monkeypatch.undo()
    assert one is not None
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert list(index.known([one])) == [one]


@pytest.mark.parametrize("damage", [b"no database at all" * 99, None])
def test_what_is_no_index_of_this_version_is_made_anew(
    damage: bytes | None, tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    if damage is None:
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE other (x)")
    else:
        path.write_bytes(damage)
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert list(index.known([one])) == [one]
    [record] = caplog.records
    assert record.getMessage().startswith(f"{path}: ")
    assert record.getMessage().endswith("; it is created again")


def test_an_index_that_cannot_be_written_is_told_once_and_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    one = identity(tmp_path / "a.jpg")
    with Index(tmp_path / "file" / "pictures.sqlite", b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert index.known([one]) == {}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("nothing is stored for the next search: ")


def test_a_disk_that_fails_in_the_middle_is_told_once(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE picture")
        for _ in range(2):
            index.keep(tmp_path / "a.jpg", one, known())
        assert index.known([one]) == {}
    assert len(caplog.records) == 1


def test_without_a_place_for_it_nothing_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(None, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert index.known([one]) == {}
    assert not caplog.records


@pytest.mark.parametrize(
    "damage",
    [
        "classes = x'00'",
        "classes = zeroblob(length(classes))",
        "classes = NULL",
        "features = 'text'",
        "features = 3",
        "error = x'ff'",
        "bytes = 'x'",
    ],
)
def test_a_row_that_is_damaged_is_not_known(damage: str, tmp_path: Path, path: Path) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
    with closing(sqlite3.connect(path)) as database, database:
        table = "likeness" if damage.startswith("features") else "picture"
        database.execute(f"UPDATE {table} SET {damage}")  # noqa: S608
    with Index(path, b"m") as index:
        assert index.known([one], features=True) == {}


def test_features_are_told_to_who_asks_for_them_and_go_with_their_picture(
    tmp_path: Path, path: Path
) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert index.known([one])[one].features.size == 0
        assert index.known([one], features=True)[one].features.size == len(FEATURES)
        index.forget(tmp_path, [])
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM likeness").fetchone() == (0,)


def test_an_index_whose_pages_are_damaged_is_made_anew(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
    content = path.read_bytes()
    path.write_bytes(content[:12288] + b"\xff" * (len(content) - 12288))
    for _ in range(2):
        with Index(path, b"m") as index:
            index.known([one])
            index.keep(tmp_path / "a.jpg", one, known())
    with Index(path, b"m") as index:
        assert list(index.known([one])) == [one]
    [record] = caplog.records
    assert record.getMessage().endswith("; it is created again")


def test_damage_that_stands_in_what_the_database_says_of_it_is_damage(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Index(path, b"m"):
        pass
    path.write_bytes(path.read_bytes().replace(b"inode))", b"\xc1node))"))
    one = identity(tmp_path / "a.jpg")
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", one, known())
        assert list(index.known([one])) == [one]
    assert len(caplog.records) == 1


def test_two_searches_at_once_keep_what_each_has_seen(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index_module, "_WAIT_S", 0.0)
    first, second = identity(tmp_path / "a.jpg"), identity(tmp_path / "b.jpg")
    with Index(path, b"m") as one, Index(path, b"m") as other:
        one.known([first])
        other.known([second])
        one.keep(tmp_path / "a.jpg", first, known())
        other.keep(tmp_path / "b.jpg", second, known())
        assert set(one.known([first, second])) == {first}
        assert set(other.known([first, second])) == {first, second}
    assert not caplog.records


def test_another_content_under_the_old_size_and_time_is_not_known(
    tmp_path: Path, path: Path
) -> None:
    before = identity(tmp_path / "a.jpg", b"x")
    time.sleep(0.02)  # The clock of the file system has steps of some milliseconds.
    (tmp_path / "a.jpg").write_bytes(b"y")
    os.utime(tmp_path / "a.jpg", ns=(before.written_ns, before.written_ns))
    after = Identity.of(tmp_path / "a.jpg")
    assert after is not None
    assert after[:4] == before[:4]
    with Index(path, b"m") as index:
        index.keep(tmp_path / "a.jpg", before, known())
        assert index.known([after]) == {}


def test_the_models_that_were_asked_last_are_kept(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = identity(tmp_path / "a.jpg")
    for number in range(MODELS + 1):
        monkeypatch.setattr(index_module.time, "time", lambda number=number: float(number))
        with Index(path, bytes([number])) as index:
            index.keep(tmp_path / "a.jpg", one, known())
    with closing(sqlite3.connect(path)) as database:
        left = database.execute("SELECT digest FROM model ORDER BY asked_s").fetchall()
        pictures = database.execute("SELECT count(*) FROM picture").fetchone()
    assert [digest for (digest,) in left] == [bytes([n]) for n in range(1, MODELS + 1)]
    assert pictures == (MODELS,)


def test_an_interrupted_search_loses_no_more_than_its_last_seconds(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = identity(tmp_path / "a.jpg"), identity(tmp_path / "b.jpg")
    index = Index(path, b"m").__enter__()
    index.keep(tmp_path / "a.jpg", first, known())
    now_s = index_module.time.monotonic()
    monkeypatch.setattr(index_module.time, "monotonic", lambda: now_s + 60)
    index.keep(tmp_path / "b.jpg", second, known())
    with Index(path, b"m") as other:
        assert set(other.known([first, second])) == {first, second}
    index.__exit__()
