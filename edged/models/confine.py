"""Permanently restricts this process to what it needs: memory, time, files, network.

Resource limits work on every Linux. Landlock (https://docs.kernel.org/userspace-api/landlock.html)
needs kernel 5.13 and must be enabled in it; `landlock` returns whether it is active. The C library
has no wrappers for its system calls, so they are made by number; the numbers are the same on every
machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_SET_NO_NEW_PRIVS = 38

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 5: 16}
"""The number of rights, from bit 0, that exist since each version of the interface."""

_TCP_FROM_ABI, _TCP_RIGHTS = 4, 0b11
_SCOPES_FROM_ABI, _SCOPES = 6, 0b11
"""Signals, and abstract Unix sockets, to and from processes outside."""

OPEN_FILES = 32
"""Descriptors: the model is mapped through one, and the runtime opens a few for a moment."""


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process: `memory_bytes` beyond what it has mapped by now.

    It can then write no file, start no process or thread (except as root), gain no privileges and
    dump no core. The kernel kills it first when the machine runs out of memory.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    limits = {
        resource.RLIMIT_AS: _mapped_bytes() + memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # The soft time limit sends SIGXCPU, which identifies the cause; the hard one SIGKILL.
        ceiling = hard if kind == resource.RLIMIT_CPU else value
        resource.setrlimit(kind, (value, ceiling))
    ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def landlock(readable: Iterable[Path]) -> bool:
    """Allow only reading at or under `readable`; no TCP, no signals to others.

    `limit` must have come before it. Paths that do not exist are ignored. False if Landlock is not
    available; nothing has then changed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if abi < 1:
        return False
    rights = (1 << max(n for since, n in _FILE_RIGHTS_BY_ABI.items() if since <= abi)) - 1
    attributes = struct.pack("<Q", rights)
    if abi >= _TCP_FROM_ABI:
        attributes += struct.pack("<Q", _TCP_RIGHTS)
    if abi >= _SCOPES_FROM_ABI:
        attributes += struct.pack("<Q", _SCOPES)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow_reading(libc, ruleset, path)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow_reading(libc: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
        rule = struct.pack("<Qi", rights, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
