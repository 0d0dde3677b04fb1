"""Which files of a folder are taken for pictures, and what is told of the others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from edged.imaging import folder
from edged.imaging.folder import OTHER_SUFFIXES, READ_SUFFIXES, UnreadableError, search
from tests.strangers import as_stranger, commons

__all__ = ["commons"]


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def pictures(found: Iterable[Path | UnreadableError]) -> set[Path]:
    return {of for of in found if isinstance(of, Path)}


def told(found: Iterable[Path | UnreadableError]) -> list[str]:
    return sorted(str(of) for of in found if isinstance(of, UnreadableError))


ENDINGS = (
    "jpg",
    "JPG",
    "jfif",
    "jpe",
    "pjpeg",
    "apng",
    "heic",
    "HEIF",
    "avif",
    "jxl",
    "dng",
    "cr3",
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_looks_like_a_picture_is_tried(ending: str) -> None:
    assert folder.is_picture(f"a.{ending}")


@pytest.mark.parametrize(
    "name", ["a.txt", "Thumbs.db", ".DS_Store", "._a.jpg", ".a.jpg", "jpg", "a.jpg.txt", "a"]
)
def test_what_is_no_picture_is_left_out(name: str) -> None:
    assert not folder.is_picture(name)


def test_no_ending_is_of_both_kinds() -> None:
    assert not READ_SUFFIXES & OTHER_SUFFIXES
    assert all(suffix == suffix.lower() for suffix in READ_SUFFIXES | OTHER_SUFFIXES)


def test_links_to_folders_are_followed_and_loops_left(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    put(root / "cat" / "a.jpg", root / "notes.txt", elsewhere / "deep" / "b.jpg")
    (root / "linked").symlink_to(elsewhere)
    (root / "cat" / "again").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (elsewhere / "deep" / "up").symlink_to(elsewhere)

    found = list(search(root))

    assert pictures(found) == {root / "cat" / "a.jpg", root / "linked" / "deep" / "b.jpg"}
    assert told(found) == []


@pytest.mark.parametrize("link", ["also", "tabby"])
def test_a_folder_is_searched_once_and_under_its_own_name(tmp_path: Path, link: str) -> None:
    put(tmp_path / "cat" / "a.jpg")
    (tmp_path / link).symlink_to("cat")

    assert list(search(tmp_path)) == [tmp_path / "cat" / "a.jpg"]


def test_of_two_links_to_a_folder_the_first_by_name_is_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "a.jpg")
    root = tmp_path / "root"
    root.mkdir()
    for link in ("tabby", "cat", "feline"):
        (root / link).symlink_to("../elsewhere")

    assert list(search(root)) == [root / "cat" / "a.jpg"]


def test_folders_that_all_link_to_each_other_are_searched_once(tmp_path: Path) -> None:
    names = [f"{number}" for number in range(30)]
    put(*(tmp_path / name / "a.jpg" for name in names))
    for name in names:
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")

    found = list(search(tmp_path))

    assert len(found) == 30
    assert pictures(found) == {tmp_path / name / "a.jpg" for name in names}


def test_what_is_named_as_a_picture_and_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "lost.jpg").symlink_to("nowhere")
    (tmp_path / "lost").symlink_to("nowhere")

    found = list(search(tmp_path))

    assert pictures(found) == set()
    lost, pipe = told(found)
    assert lost.startswith(f"{tmp_path}/lost.jpg: no such file or directory; ")
    assert pipe.startswith(f"{tmp_path}/pipe.jpg: not a regular file; ")


def test_a_closed_folder_and_a_closed_link_are_told(commons: Path) -> None:
    put(commons / "open" / "a.jpg", commons / "closed" / "cats" / "b.jpg")
    (commons / "cats").symlink_to("closed/cats")
    (commons / "closed").chmod(0o700)

    status, said = as_stranger(
        "from pathlib import Path\nfrom edged.imaging import folder",
        "for found in sorted(map(str, folder.search(Path(sys.argv[1])))): print(found)",
        str(commons),
    )

    assert status == 0
    cats, closed, picture = said.splitlines()
    assert cats.startswith(f"{commons}/cats: permission denied; ")
    assert closed.startswith(f"{commons}/closed: permission denied; ")
    assert picture == f"{commons}/open/a.jpg"


def test_a_path_through_a_closed_folder_is_no_folder(commons: Path) -> None:
    put(commons / "closed" / "cats" / "b.jpg")
    (commons / "closed").chmod(0o700)

    assert as_stranger(
        "from pathlib import Path\nfrom edged.imaging import folder",
        "print(folder.is_folder(Path(sys.argv[1])))",
        str(commons / "closed" / "cats"),
    ) == (0, "False\n")
    assert folder.is_folder(commons / "closed" / "cats")
