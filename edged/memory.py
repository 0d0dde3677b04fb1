"""Memory of this process given back to the kernel; memory that two processes share.

Of what is shared, one process makes it, and neither can change its size.
"""

from __future__ import annotations

import fcntl
import mmap
import os

_M_ARENA_MAX = -8
"""The number of mallopt(3)."""

_F_ADD_SEALS = 1033
_SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x2, 0x4, 0x10


def share_one_arena() -> None:
    """Let all threads take memory from one place: those that have none of their own yet.

    The GNU C library has else one for each thread, up to eight for each core, each of which keeps
    what was freed in it: 4 MB in a daemon at rest, and more with each model that is replaced. Other
    C libraries have no such number: then nothing happens.
    """
    _call("mallopt", _M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the kernel what this process has freed, and what its C library keeps for later.

    Takes a millisecond. Not every C library can: then nothing happens.
    """
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    # Where numpy is imported, this is, too.
    import ctypes

    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*numbers)


def sealed(name: str, size_bytes: int) -> int:
    """The descriptor of new memory of `size_bytes`, for good: who has it can read and write it.

    Memory that became shorter would end the other process at its next look. OSError where the
    kernel has none to give.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size_bytes)
        fcntl.fcntl(fd, _F_ADD_SEALS, _SEAL_SHRINK | _SEAL_GROW)
    except OSError:
        os.close(fd)
        raise
    return fd


def seal_for_readers(fd: int) -> None:
    """Nobody may map it to write any more; maps that exist stay. OSError before Linux 5.1."""
    fcntl.fcntl(fd, _F_ADD_SEALS, _SEAL_FUTURE_WRITE)


def mapped(fd: int, size_bytes: int, *, writable: bool) -> mmap.mmap:
    """A map of it; `fd` is closed. OSError, ValueError where it is no such memory."""
    try:
        return mmap.mmap(fd, size_bytes, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))
    finally:
        os.close(fd)
