"""Freed memory that the kernel gets back, and shared memory whose size is settled."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys

import pytest

from edged import memory
from edged.health import memory_mb

BLOCKS, BLOCK_BYTES = 400, 1 << 16


def test_what_was_freed_goes_back_to_the_kernel() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("this C library has no malloc_trim")
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    # Small enough that the C library does not map each, and written, so that it is resident. The
    # last stays, which keeps the C library from giving the others back by itself.
    blocks = [libc.malloc(BLOCK_BYTES) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK_BYTES)
    *freed, last = blocks
    for block in freed:
        libc.free(block)
    try:
        before_mb = memory_mb()
        memory.give_back()
        assert before_mb - memory_mb() > 0.8 * BLOCKS * BLOCK_BYTES * 1e-6
    finally:
        libc.free(last)


ARENAS = """
import ctypes, threading
from edged import memory
libc = ctypes.CDLL(None)
memory.share_one_arena()
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
together = threading.Barrier(5)
def take():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads:
    thread.start()
together.wait()
together.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not the GNU C library")
def test_all_threads_take_memory_from_one_place() -> None:
    run = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, check=True)
    assert run.stdout.count("<heap nr=") == 1


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
