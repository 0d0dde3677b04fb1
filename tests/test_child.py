"""Processes of edged's own: what they get, and what is said of their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edged.child import DEAF_TO, how_ended, public_environment, spawn
from tests.mosquitto import wait_until

ROOT = Path(__file__).parent.parent


def said(program: str) -> str:
    """What a child that runs `program` says over its standard input."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            pid = spawn((sys.executable, "-c", program), theirs, os.environ)
        words = b"".join(iter(lambda: ours.recv(1000), b""))
        assert how_ended(pid) == "exit status 0"
    return words.decode()


def test_a_child_has_its_socket_and_none_of_the_files_that_are_open_here() -> None:
    program = "import os; os.write(0, ' '.join(os.listdir('/proc/self/fd')).encode())"
    with Path(os.devnull).open() as here:
        # A number that the child would not give to a file of its own.
        far = os.dup2(here.fileno(), 300, inheritable=False)
        try:
            found = said(program).split()
        finally:
            os.close(far)
    assert "0" in found
    assert "300" not in found


def test_a_child_is_in_a_session_of_its_own_and_deaf_to_what_ends_a_service() -> None:
    program = (
        "import os, signal; blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []);"
        "words = [os.getsid(0) == os.getpid(), *map(int, blocked)];"
        "os.write(0, ' '.join(map(str, words)).encode())"
    )
    leads, *blocked = said(program).split()
    assert leads == "True"
    assert set(map(int, blocked)) == set(map(int, DEAF_TO))


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_how_a_child_ended_is_said(program: str, how: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = spawn((sys.executable, "-c", program), theirs, os.environ)
    assert how_ended(pid) == how
    assert how_ended(pid) == "nobody knows how"


def test_a_child_that_hangs_ends_with_its_parent() -> None:
    child = "import os, sys, time; from edged.child import end_with; end_with({}); time.sleep(600)"
    parent = (
        "import os, subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}.format(os.getpid())]);"
        "time.sleep(0.5); print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_child_whose_parent_has_gone_already_ends_at_once() -> None:
    program = "import time; from edged.child import end_with; end_with(1); time.sleep(600)"
    began_s = time.monotonic()
    # Its parent is this process, and not number 1.
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert time.monotonic() < began_s + 60


def test_a_child_gets_neither_options_nor_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGED_MQTT__PASSWORD", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/edged")
    monkeypatch.setenv("EDGED_KERNELS", "any")
    monkeypatch.setenv("GST_DEBUG", "2")
    environment = public_environment()
    assert "secret" not in environment.values()
    assert "CREDENTIALS_DIRECTORY" not in environment
    # How it computes is no secret.
    assert (environment["EDGED_KERNELS"], environment["GST_DEBUG"]) == ("any", "2")
