"""The folder of kept pictures, and what people say of them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from edged import files
from edged.errors import CommandError, PortError
from edged.imaging.picture import jpeg
from edged.review import folder as folder_module
from edged.review.folder import Folder, Verdict
from tests.review.made import kept, names, noise


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Three pictures."""
    made = Folder(tmp_path / "kept")
    with made.locked():
        for number in range(3):
            made.add(kept(), jpeg(noise(number), 90))
    return made


def decide(folder: Folder, *numbers: int, what: Any = "accept", **fields: Any) -> None:
    verdict = {"label": "", "by": "ann", "again": False, **fields}
    with folder.locked():
        folder.decide(numbers, Verdict(what, **verdict))


def said(folder: Folder) -> dict[int, tuple[str, str, str] | None]:
    return {
        entry.number: one and (one.verdict, one.label, one.by)
        for entry in folder.entries()
        for one in [entry.kept.decision]
    }


def test_pictures_have_numbers_and_only_the_group_may_look(folder: Folder) -> None:
    assert list(said(folder)) == [1, 2, 3]
    assert folder.picture(2) == jpeg(noise(1), 90)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder.path / "1.jpg").stat().st_mode) == 0o640


def test_no_number_is_used_twice(folder: Folder) -> None:
    decide(folder, 1, 2, 3, what="discard")
    assert said(folder) == {}
    for _ in range(2):
        again = Folder(folder.path)
        with again.locked():
            again.add(kept(), jpeg(noise(9), 90))
    assert list(said(folder)) == [4, 5]
    assert names(folder.path) == [".lock", "4.jpg", "5.jpg"]


def test_people_accept_correct_and_discard(folder: Folder) -> None:
    decide(folder, 1)
    decide(folder, 2, what="correct", label="my fox")
    decide(folder, 3, what="discard")
    assert said(folder) == {1: ("accepted", "cat", "ann"), 2: ("corrected", "my fox", "ann")}
    assert folder.picture(1) == jpeg(noise(0), 90)


def test_a_correction_to_what_was_said_is_an_acceptance(folder: Folder) -> None:
    decide(folder, 1, what="correct", label="cat")
    assert said(folder)[1] == ("accepted", "cat", "ann")


def test_of_two_reviewers_the_second_is_told_of_the_first(folder: Folder) -> None:
    decide(folder, 1, 2, what="correct", label="bin")
    for what in ("accept", "discard"):
        with pytest.raises(CommandError, match="picture 2 was corrected as bin by ann meanwhile"):
            decide(Folder(folder.path), 3, 2, what=what, by="bob")
    assert said(folder)[3] is None
    decide(folder, 1, what="correct", label="bin", by="bob")
    decide(folder, 2, by="bob", again=True)
    assert said(folder)[2] == ("accepted", "cat", "bob")


@pytest.mark.parametrize(
    "label", ["", " ", " cat", "a\nb", "x" * 65, "different", "View Moved", "\u202ecat", "a\x00"]
)
def test_what_cannot_be_a_label_changes_nothing(folder: Folder, label: str) -> None:
    with pytest.raises(
        CommandError, match=r"valid label|must not be empty|is what `edged teach --normal` is for"
    ):
        decide(folder, 1, what="correct", label=label)
    assert said(folder)[1] is None


def test_a_long_label_of_the_model_itself_may_be_the_right_one(folder: Folder) -> None:
    own = "of a model " * 10
    with folder.locked():
        folder.decide([1], Verdict("correct", own, "ann", False), [own])
    assert said(folder)[1] == ("corrected", own, "ann")


def test_of_several_pictures_none_is_changed_where_one_is_gone(folder: Folder) -> None:
    with pytest.raises(CommandError, match="picture 9 is not kept"):
        decide(folder, 1, 9)
    with pytest.raises(CommandError, match="no picture is named"):
        decide(folder)
    assert said(folder)[1] is None


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"x" * 5000, None])
def test_a_torn_file_hides_no_other_one(folder: Folder, content: bytes | None) -> None:
    path = folder.path / "2.jpg"
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert (list(said(folder)), folder.damaged()) == ([1, 3], [2])
    with pytest.raises(CommandError, match="picture 2 cannot be shown"):
        folder.picture(2)
    with pytest.raises(CommandError, match="picture 2 is not kept"):
        decide(folder, 2)
    decide(folder, 2, what="discard")
    assert folder.damaged() == []


def test_what_is_not_a_file_is_damaged_and_does_not_block(folder: Folder) -> None:
    os.mkfifo(folder.path / "7.jpg")
    (folder.path / "8.jpg").symlink_to("/etc/passwd")
    (folder.path / "01.jpg").write_bytes(b"")
    (folder.path / "..jpg").write_bytes(b"")
    assert (list(said(folder)), folder.damaged()) == ([1, 2, 3], [7, 8])


def test_a_full_disk_changes_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = (folder.path / "1.jpg").read_bytes()
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(PortError, match="No space left on device"):
        decide(folder, 1)
    with pytest.raises(PortError, match="No space left on device"), folder.locked():
        folder.add(kept(), jpeg(noise(9), 90))
    assert (folder.path / "1.jpg").read_bytes() == before
    assert names(folder.path) == [".lock", "1.jpg", "2.jpg", "3.jpg"]


def test_where_nothing_was_kept_there_is_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "none")
    assert (folder.entries(), folder.damaged()) == ([], [])
    with pytest.raises(CommandError, match="picture 1 is not kept"):
        folder.picture(1)
    assert not folder.path.exists()


def test_a_picture_is_read_once_as_long_as_it_is_the_same(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    before = folder_module.parsed

    def counted(content: bytes) -> Any:
        read.append(len(content))
        return before(content)

    folder.entries()
    monkeypatch.setattr(folder_module, "parsed", counted)
    folder.entries()
    assert read == []
    decide(Folder(folder.path), 1)
    read.clear()
    assert said(folder)[1] is not None
    assert len(read) == 1
