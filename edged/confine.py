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
from collections.abc import Iterable, Mapping
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH, _RULE_PORT = 1, 2
_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _IOCTL_DEVICE = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 15
_FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 5: 16}
"""The number of rights, from bit 0, that exist since each version of the interface."""

_TCP_FROM_ABI, _TCP_RIGHTS = 4, 0b11
_CONNECT_TCP = 0b10
_SCOPES_FROM_ABI, _SCOPES = 6, 0b11
"""Signals, and abstract Unix sockets, to and from processes outside."""

OPEN_FILES = 32
"""Descriptors: the model is mapped through one, and the runtime opens a few for a moment."""


def give_up_privileges() -> None:
    """Gain none from now on, leave no core, and be ended first where memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    _lower({resource.RLIMIT_CORE: 0})
    ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process: `memory_bytes` beyond what it has mapped by now.

    It can then write no file, start no process or thread (except as root), gain no privileges and
    dump no core. The kernel kills it first when the machine runs out of memory.
    """
    give_up_privileges()
    _lower(
        {
            resource.RLIMIT_AS: _mapped_bytes() + memory_bytes,
            resource.RLIMIT_CPU: cpu_s,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: OPEN_FILES,
            resource.RLIMIT_NPROC: 0,
        }
    )


def _lower(limits: Mapping[int, int]) -> None:
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # The soft time limit sends SIGXCPU, which identifies the cause; the hard one SIGKILL.
        ceiling = hard if kind == resource.RLIMIT_CPU else value
        resource.setrlimit(kind, (value, ceiling))


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def landlock(
    readable: Iterable[Path],
    devices: Iterable[Path] = (),
    listed: Iterable[Path] = (),
    tcp_ports: Iterable[int] = (),
    *,
    programs: bool = False,
) -> bool:
    """From now on this thread, and those that it starts, only read what is at or under `readable`.

    They also write to `devices` and control them, list folders at or under `listed`, connect to
    `tcp_ports` and, with `programs`, run what they may read; they signal no other process.
    `give_up_privileges` must have come before it.
    Paths that do not exist are left out. False where the kernel has no Landlock or does not let us
    use it, and nothing has changed then.
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
        for paths, allowed in (
            (readable, _READ_FILE | _READ_DIR | (_EXECUTE if programs else 0)),
            (devices, (_WRITE_FILE | _READ_FILE | _READ_DIR | _IOCTL_DEVICE) & rights),
            (listed, _READ_DIR),
        ):
            for path in paths:
                _allow(libc, ruleset, path, allowed)
        for port in tcp_ports if abi >= _TCP_FROM_ABI else ():
            rule = struct.pack("<QQ", _CONNECT_TCP, port)
            libc.syscall(_ADD_RULE, ruleset, _RULE_PORT, rule, 0)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("<Qi", rights if path.is_dir() else rights & ~_READ_DIR, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
