"""Atomic file writes, also across a power failure, and safe opening."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without blocking; OSError, also for what is not a regular file.

    A FIFO without a writer would block, a device never end, a terminal become ours.
    """
    file = open(path, "rb", opener=_opened_at_once)  # noqa: SIM115 (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(None, "not a regular file")
    return file


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def write_atomically(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Replace the content of `path` by `data`; after an OSError the old content remains.

    A reader sees the old content or the new, never a part of it. On return the data is on the disk,
    which takes milliseconds, on an SD card tenths of a second. If it need not be `durable`, it
    survives every process, but not a power cut.
    """
    name = path.parent / f".edged-{os.urandom(8).hex()}"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)
        name.replace(path)
    except BaseException:
        name.unlink()
        raise
    if not durable:
        return
    sync_folder(path.parent)


def is_there(path: Path) -> bool:
    """Whether there is something at `path`; False also where the name is too long for one."""
    try:
        return path.exists()
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder` are on the disk. OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold `lock`, a file that is made where there is none; who else wants it waits. OSError."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    try:
        like_folder(lock)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def like_folder(path: Path) -> None:
    """Give a file that root wrote for a service to the owner of its folder. OSError."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
