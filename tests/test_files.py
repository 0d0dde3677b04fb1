"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from edged.files import write_atomically


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_data_is_there_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "state.json", b"old, and longer")
    write_atomically(tmp_path / "state.json", b"new")

    assert (tmp_path / "state.json").read_bytes() == b"new"
    assert names(tmp_path) == ["state.json"]


def test_the_mode_is_as_asked_for(tmp_path: Path) -> None:
    write_atomically(tmp_path / "open", b"")
    write_atomically(tmp_path / "secret", b"", mode=0o600)

    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["fchmod", "fsync"])
def test_a_full_disk_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["state.json"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "state.json", b"new")


def test_a_folder_of_that_name_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()

    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "state.json", b"new")

    assert names(tmp_path) == ["state.json"]


def test_a_long_name_fits(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)

    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "state"
    contents = [bytes([n]) * 100_000 for n in range(4)]
    write_atomically(path, contents[0])
    writers = [
        threading.Thread(target=lambda c=c: [write_atomically(path, c) for _ in range(5)])
        for c in contents
    ]

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    for writer in writers:
        writer.join(60)

    assert names(tmp_path) == ["state"]
