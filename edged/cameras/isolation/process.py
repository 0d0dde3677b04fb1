"""The process of a camera, from its start to its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from edged.cameras.kinds import KINDS
from edged.child import how_ended, public_environment, spawn
from edged.errors import CameraError
from edged.printable import printable

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig

log = logging.getLogger(__name__)

COMMAND: tuple[str, ...] = (sys.executable, "-m", "edged.cameras.isolation")

END_S = 1.0
"""How long a process may take to close its camera, and a killed one to be gone."""

LOOK_S = 0.002

MOST_STUCK = 4
"""Processes that hang in the kernel, where nothing ends them: no more are added to these."""

TOLD_BYTES = 4096

_stuck: list[int] = []


def is_isolated(camera: CameraConfig) -> bool:
    """Whether this camera runs in a process of its own."""
    return camera.isolate and (camera.kind == "auto" or KINDS[camera.kind].is_isolated)


class CameraProcess:
    """``connection`` and ``pictures`` are the daemon's ends; ``told_fd`` is what it prints."""

    def __init__(self, camera: CameraConfig) -> None:
        """Start it, to open `camera`. CameraError."""
        refuse_more_stuck(camera.kind)
        self._told = b""
        self._how = ""
        self._over = threading.Lock()
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
        (self.connection, theirs), *pictures = pairs
        self.pictures = [ours for ours, _ in pictures]
        self.told_fd, errors_fd = os.pipe()
        # It must not wait for somebody to read.
        for fd in (self.told_fd, errors_fd):
            os.set_blocking(fd, False)
        order = {
            "camera": {**msgspec.to_builtins(camera), "start_s": camera.start_s},
            "parent_id": os.getpid(),
            "log_level": logging.getLogger().level,
        }
        try:
            self.pid = spawn(COMMAND, theirs, _environment(), errors_fd)
            # Where it has ended already, the end of the socket says so.
            with suppress(OSError):
                packet = [msgspec.json.encode(order)]
                socket.send_fds(self.connection, packet, [end.fileno() for _, end in pictures])
        except OSError as error:
            self._close()
            raise CameraError(
                f"{camera.kind}: no process can be started ({error.strerror}); free some memory"
            ) from error
        finally:
            for _, end in pairs:
                end.close()
            os.close(errors_fd)

    def listen(self) -> bool:
        """Keep the latest of what its libraries print; whether more may come."""
        with suppress(BlockingIOError):
            while piece := os.read(self.told_fd, TOLD_BYTES):
                self._told = (self._told + piece)[-TOLD_BYTES:]
            return False
        return True

    def end(self, *, kill: bool = False) -> str:
        """Let it close the camera, or `kill` it; how it ended, and what it printed last.

        Once it has ended, that is all.
        """
        with self._over:
            self._how = self._how or self._end(kill=kill)
            return self._how

    def _end(self, *, kill: bool) -> str:
        for connection in (self.connection, *self.pictures):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        if kill or not _gone_within(self.pid, END_S):
            os.kill(self.pid, signal.SIGKILL)
        if not gone_or_left_behind(self.pid):
            self._close()
            return "it hangs in the driver"
        self.listen()
        self._close()
        lines = [line for line in self._told.decode(errors="replace").splitlines() if line.strip()]
        return how_ended(self.pid) + (f": {printable(lines[-1])[:200]}" if lines else "")

    def _close(self) -> None:
        for connection in (self.connection, *self.pictures):
            connection.close()
        os.close(self.told_fd)


def refuse_more_stuck(kind: str) -> None:
    """CameraError where too many processes of a camera of this `kind` hang already."""
    _stuck[:] = [pid for pid in _stuck if not _is_gone(pid)]
    if len(_stuck) >= MOST_STUCK:
        raise CameraError(
            f"{kind}: {len(_stuck)} processes hang in its driver; unplug the camera, "
            "or restart the board"
        )


def gone_or_left_behind(pid: int) -> bool:
    """Whether a killed process has ended, which can take a moment; else it is left and counted."""
    if _gone_within(pid, END_S):
        return True
    log.error("process %d of the camera hangs in its driver; it is left behind", pid)
    _stuck.append(pid)
    return False


def _environment() -> dict[str, str]:
    environment = public_environment()
    # One line of what went wrong is told: not a stack.
    environment.pop("PYTHONFAULTHANDLER", None)
    # Each thread of it takes memory, and nothing here multiplies matrices.
    return environment | {"OPENBLAS_NUM_THREADS": "1"}


def _gone_within(pid: int, limit_s: float) -> bool:
    """Whether it has ended, or does so within `limit_s`; what it ended with can still be read."""
    deadline_s = time.monotonic() + limit_s
    while True:
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
        except ChildProcessError:
            return True
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(LOOK_S)


def _is_gone(pid: int) -> bool:
    if not _gone_within(pid, 0.0):
        return False
    how_ended(pid)
    return True
