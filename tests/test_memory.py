"""Shared memory whose size is settled."""

from __future__ import annotations

import mmap
import os

import pytest

from edged import memory


@pytest.mark.parametrize("size_bytes", [0, mmap.PAGESIZE, 3 * mmap.PAGESIZE])
def test_nobody_changes_the_size_of_sealed_memory(size_bytes: int) -> None:
    fd = memory.sealed("test", 2 * mmap.PAGESIZE)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size_bytes)
    finally:
        os.close(fd)


def test_what_one_writes_the_other_reads() -> None:
    fd = memory.sealed("test", mmap.PAGESIZE)
    reader = memory.mapped(os.dup(fd), mmap.PAGESIZE, writable=False)
    writer = memory.mapped(fd, mmap.PAGESIZE, writable=True)
    writer[:4] = b"cats"
    assert reader[:4] == b"cats"
    with pytest.raises(TypeError):
        reader[:4] = b"dogs"


def test_sealed_for_readers_it_is_written_by_maps_that_exist_and_no_other() -> None:
    fd = memory.sealed("test", mmap.PAGESIZE)
    writer = mmap.mmap(fd, mmap.PAGESIZE)
    memory.seal_for_readers(fd)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, mmap.PAGESIZE)
    reader = memory.mapped(fd, mmap.PAGESIZE, writable=False)
    writer[:4] = b"cats"
    assert reader[:4] == b"cats"
