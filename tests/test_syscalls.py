"""What a confined process can still ask of the kernel: each denial on its own, in a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROGRAM = """
import ctypes, errno, json, os, signal, socket, threading
from edged import confine, syscalls
confine.give_up_privileges()
if not syscalls.forbid({families}, processes={processes}):
    print("null")
    raise SystemExit
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *words):
    if libc.syscall(number, *map(ctypes.c_long, words)) < 0:
        raise OSError(ctypes.get_errno(), "")
def number(name):
    library = ctypes.CDLL("libseccomp.so.2")
    return library.seccomp_syscall_resolve_name(name.encode())
def in_a_thread():
    thread = threading.Thread(target=print, args=("",), kwargs=dict(end=""))
    thread.start()
    thread.join()
def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
unix = socket.AF_UNIX
print(json.dumps({{name: outcome(attempt) for name, attempt in {{
    "a Unix socket": lambda: socket.socket(unix).close(),
    "a Unix socket with bits above": lambda: call(number("socket"), (1 << 32) | unix, 1, 0),
    "an Internet socket": lambda: socket.socket().close(),
    "a kernel socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "a process": lambda: os.fork() or os._exit(0),
    "a program": lambda: os.execv("/nowhere", ["nowhere"]),
    "a thread": in_a_thread,
    "its own signals": lambda: os.kill(os.getpid(), 0),
    "its parent's": lambda: os.kill(os.getppid(), 0),
    "everybody's": lambda: os.kill(-1, 0),
    "ptrace": lambda: call(number("ptrace"), 0, 0, 0, 0),
    "mount": lambda: call(number("mount"), 0, 0, 0, 0, 0),
    "bpf": lambda: call(number("bpf"), 99, 0, 0),
    "io_uring": lambda: call(number("io_uring_setup"), 0, 0),
    "keys": lambda: call(number("keyctl"), 99, 0),
    "to type": lambda: call(number("ioctl"), 0, 0x5412, 0),
    "to listen": lambda: call(number("listen"), 0, 1),
    "to set the clock": lambda: call(number("clock_settime"), 0, 0),
    "a name space": lambda: call(number("unshare"), 0),
    "another's memory": lambda: call(number("process_vm_readv"), os.getppid(), 0, 0, 0, 0, 0),
}}.items()}}))
"""


def outcomes(families: str, *, processes: bool = False) -> dict[str, str]:
    program = PROGRAM.format(families=families, processes=processes)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    found: dict[str, str] | None = json.loads(done.stdout)
    if found is None:
        pytest.skip("this system has no libseccomp, or its kernel no filters")
    return found


DENIED = {
    "a process": "EPERM",
    "a program": "EPERM",
    "its parent's": "EPERM",
    "everybody's": "EPERM",
    "ptrace": "EPERM",
    "mount": "EPERM",
    "bpf": "EPERM",
    "io_uring": "EPERM",
    "keys": "EPERM",
    "to type": "EPERM",
    "to listen": "EPERM",
    "to set the clock": "EPERM",
    "a name space": "EPERM",
    "another's memory": "EPERM",
    "a Unix socket": "EAFNOSUPPORT",
    "a Unix socket with bits above": "EAFNOSUPPORT",
    "a kernel socket": "EAFNOSUPPORT",
}
GRANTED = {"a thread": "ok", "its own signals": "ok"}


def test_without_a_network_a_process_has_no_socket_and_no_other_process() -> None:
    expected = {**DENIED, **GRANTED, "an Internet socket": "EAFNOSUPPORT"}
    assert outcomes("()") == expected


def test_with_a_network_it_has_sockets_of_the_internet_alone() -> None:
    expected = {**DENIED, **GRANTED, "an Internet socket": "ok"}
    assert outcomes("syscalls.network_families()") == expected


def test_what_starts_programs_may_do_so_and_no_more() -> None:
    found = outcomes("()", processes=True)
    assert (found["a process"], found["a program"]) == ("ok", "ENOENT")
    assert all(found[name] == DENIED[name] for name in ("ptrace", "mount", "its parent's"))


def test_a_system_without_libseccomp_is_told_and_no_error() -> None:
    program = (
        "import ctypes; from edged import syscalls\n"
        "def absent(name, **_): raise OSError(name)\n"
        "ctypes.CDLL = absent\n"
        "print(syscalls.forbid(()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.strip() == b"False"
