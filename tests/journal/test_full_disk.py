"""A real file system that is full: what waits there can be read, and what is new waits for room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journal.made import read, reader, record, threadless
from tests.power import Disk, available


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.getuid() != 0 or mount is None or umount is None:
        pytest.skip("needs root, to mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=1m", "edged-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run([umount, str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"\x00" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def test_events_wait_for_room_and_none_is_lost(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = threadless(small / "events.db")
    consumer = reader(journal)
    record(journal, 50)
    journal.sync()
    filler = fill(small)
    for _ in range(10):
        record(journal, 20)
        journal.sync()
    assert "full" in caplog.text or "No space left" in caplog.text
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1
    assert read(consumer) == list(range(1, 251))
    filler.unlink()
    journal.sync()
    journal.close()
    again = threadless(small / "events.db")
    assert read(reader(again)) == list(range(1, 251))
    assert record(again) == [251]
    again.close()


def test_a_start_on_a_full_disk_sends_what_is_made_and_later_what_waited(small: Path) -> None:
    first = threadless(small / "events.db")
    reader(first)
    record(first, 5)
    first.close()
    filler = fill(small)
    second = threadless(small / "events.db")
    consumer = reader(second)
    numbers = record(second, 3)
    assert set(numbers) <= set(read(consumer))
    filler.unlink()
    second.sync()
    assert [told for told in read(consumer) if isinstance(told, int)] == [1, 2, 3, 4, 5, *numbers]
    second.close()


@pytest.mark.parametrize(("block_bytes", "maps"), [(4096, True), (1024, False)])
def test_no_file_is_mapped_where_a_full_disk_would_end_the_process(
    tmp_path: Path, block_bytes: int, maps: bool
) -> None:
    if not available(tmp_path / "probe"):
        pytest.skip("needs root, a loop device and ext4")
    with (
        Disk(tmp_path, block_bytes) as disk,
        closing(threadless(disk.place / "events.db")) as journal,
    ):
        consumer = reader(journal)
        numbers = record(journal, 3)
        journal.sync()
        mapped = str(disk.place) in Path("/proc/self/maps").read_text()
        assert mapped == maps
        filler = fill(disk.place)
        while journal.metrics().error is None:
            numbers += record(journal, 20)
            journal.sync()
        filler.unlink()
        journal.sync()
        assert journal.metrics().error is None
        assert read(consumer) == numbers
