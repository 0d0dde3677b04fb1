"""Takes system calls away from this process, for good: seccomp, through libseccomp.

libseccomp knows the numbers of each machine; systemd and apt need it, so it is there on nearly
every system. What is taken away fails with an error, as on a kernel that does not have it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Collection, Iterator

_ALLOW = 0x7FFF0000
_NOT_EQUAL, _AT_LEAST, _MASKED_EQUAL = 1, 5, 7
_ALL_THREADS = 4
_INT = 0xFFFFFFFF
"""An int argument is 32 bits wide: the kernel ignores what stands above them."""

_CLONE_THREAD = 0x00010000
ALL_FAMILIES = range(64)
"""More address families than there are (AF_MAX)."""

_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: what types into a terminal."""

FORBIDDEN = (
    # Other processes.
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "process_madvise", "process_mrelease", "tkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    # The machine.
    "acct", "adjtimex", "clock_adjtime", "clock_settime", "delete_module", "finit_module",
    "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "reboot", "sethostname",
    "setdomainname", "settimeofday", "stime", "swapoff", "swapon", "syslog", "vhangup",
    # File systems and name spaces.
    "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mknod", "mknodat", "mount",
    "mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
    "pivot_root", "quotactl", "quotactl_fd", "setns", "umount", "umount2", "unshare",
    # Parts of the kernel that a camera does not need, and that have often been its weak ones.
    "add_key", "bpf", "fanotify_init", "io_uring_enter", "io_uring_register", "io_uring_setup",
    "keyctl", "lookup_dcookie", "perf_event_open", "personality", "request_key", "uselib",
    "userfaultfd",
    # Servers.
    "accept", "accept4", "listen",
)  # fmt: skip

_PROCESSES = ("execve", "execveat", "fork", "vfork")


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _UnavailableError(Exception):
    """The library or the kernel lacks what a filter needs."""


def forbid(families: Collection[int], *, processes: bool = False) -> bool:
    """From now on no thread makes the calls of `FORBIDDEN`, nor sockets but of these `families`.

    Signals go to this process only. Without `processes` it starts no other process or program.
    False where libseccomp or the kernel's filter is missing, and nothing has changed then.
    """
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    library.seccomp_init.restype = ctypes.c_void_p
    made = library.seccomp_init(ctypes.c_uint32(_ALLOW))
    if not made:
        return False
    rules = ctypes.c_void_p(made)
    try:
        for name, error, comparisons in _denied(families, processes=processes):
            _deny(library, rules, name, error, comparisons)
        if library.seccomp_attr_set(rules, _ALL_THREADS, ctypes.c_uint32(1)):
            return False
        return bool(library.seccomp_load(rules) == 0)
    except _UnavailableError:
        return False
    finally:
        library.seccomp_release(rules)


def _denied(
    families: Collection[int], *, processes: bool
) -> Iterator[tuple[str, int, tuple[_Comparison, ...]]]:
    """Name, error and condition of each call that is taken away."""
    for name in FORBIDDEN:
        yield name, errno.EPERM, ()
    for name in ("kill", "tgkill"):
        yield name, errno.EPERM, (_Comparison(0, _NOT_EQUAL, os.getpid()),)
    for number in _TERMINAL_INPUT:
        yield "ioctl", errno.EPERM, (_Comparison(1, _MASKED_EQUAL, _INT, number),)
    for family in ALL_FAMILIES:
        if family not in families:
            # What resolvers expect of a kernel without that family.
            comparison = _Comparison(0, _MASKED_EQUAL, _INT, family)
            yield "socket", errno.EAFNOSUPPORT, (comparison,)
    # Also those that have bits above an int's, which the kernel would ignore.
    yield "socket", errno.EAFNOSUPPORT, (_Comparison(0, _AT_LEAST, len(ALL_FAMILIES)),)
    if not families:
        yield "connect", errno.EPERM, ()
        yield "bind", errno.EPERM, ()
    if processes:
        return
    for name in _PROCESSES:
        yield name, errno.EPERM, ()
    yield "clone", errno.EPERM, (_Comparison(0, _MASKED_EQUAL, _CLONE_THREAD, 0),)
    # Its flags lie in memory, which no filter sees; the C library then makes threads by clone.
    yield "clone3", errno.ENOSYS, ()


def _deny(
    library: ctypes.CDLL,
    rules: ctypes.c_void_p,
    name: str,
    error: int,
    comparisons: tuple[_Comparison, ...],
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        # This machine, or this release of the library, has no such call.
        return
    array = (_Comparison * len(comparisons))(*comparisons)
    action = ctypes.c_uint32(0x00050000 | error)
    if library.seccomp_rule_add_array(rules, action, number, len(comparisons), array):
        raise _UnavailableError(name)


def network_families() -> frozenset[int]:
    """Those of the Internet protocols; no Unix sockets, which lead to other services here."""
    return frozenset({socket.AF_INET, socket.AF_INET6})
