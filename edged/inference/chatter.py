"""Suppresses what a runtime prints while it loads."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CHATTER = (b"INFO: ", b"I0000 ", b"WARNING: All log messages before absl::InitializeLog()")
"""The beginnings of useless lines: of TFLite's log, of absl's, and absl's about itself."""


@contextmanager
def dropped() -> Iterator[None]:
    """Drop useless lines that C code prints to `stderr`; the others are printed at the end.

    The file descriptor is unchanged: a crash still prints its stack there, and Python and
    everything that writes to the descriptor itself are not affected. C's `stderr` is a variable
    that may be set (The GNU C Library, 12.2 Standard Streams); with another C library nothing is
    dropped. No library may be loaded meanwhile: C++ would keep the replaced `stderr` for its
    `cerr`.
    """
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.open_memstream.restype = ctypes.c_void_p
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    stderr = ctypes.c_void_p.in_dll(libc, "stderr")
    before = stderr.value
    stream = libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
    stderr.value = stream
    try:
        yield
    finally:
        stderr.value = before
        libc.fclose(ctypes.c_void_p(stream))
        said = ctypes.string_at(text.value or 0, size.value)
        libc.free(text)
        kept = [line for line in said.splitlines(keepends=True) if not line.startswith(CHATTER)]
        sys.stderr.write(b"".join(kept).decode(errors="replace"))
