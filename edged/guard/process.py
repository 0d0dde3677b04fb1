"""The guard as a child process of the daemon: starts it, exchanges messages, restarts it."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from edged.backoff import backoff_s
from edged.child import how_ended, spawn

logger = logging.getLogger(__name__)

COMMAND: tuple[str, ...] = (sys.executable, "-m", "edged.guard")

MESSAGE_BYTES = 1 << 16

START_MIN_S, START_MAX_S = 0.1, 30.0
"""The wait before an ended guard is restarted: first and longest."""

LIVED_S = 60.0
"""After this run time, the back-off starts from the beginning."""

ANSWER_S = 5.0
"""A guard that answers no heartbeat for this time hangs."""

END_S = 2.0
"""How long `end` waits for the safe levels."""

Hear: TypeAlias = Callable[..., None]
"""Receives the fields of a message from the guard, in a thread of `GuardProcess`."""


class GuardProcess:
    """Starts the guard at once, and restarts it with back-off if it ends before `end`."""

    def __init__(self, opening: Callable[[], object], hear: Hear) -> None:
        """`opening` returns the first message for each guard.

        `hear` gets its messages, and ``"gone", why`` when it has ended before `end`.
        """
        self._opening = opening
        self._hear = hear
        self._in_order = threading.Lock()
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._connection: socket.socket | None = None
        self._pid = 0
        self._unanswered_s: float | None = None
        self._fault = self._start()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    def send(self, *message: Any) -> bool:
        """From any thread, without blocking: whether the guard has received it."""
        with self._in_order:
            if self._connection is None:
                return False
            if message[0] == "beat" and self._unanswered_s is None:
                self._unanswered_s = time.monotonic()
            try:
                self._connection.send(msgspec.json.encode(message))
            except OSError:
                return False
            return True

    def end(self) -> None:
        """Let the guard set the safe levels and end; returns when it has, or after `END_S`."""
        with self._in_order:
            self._ending.set()
            if self._connection is not None:
                with suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)
        if not self._ended.wait(END_S):
            logger.error("the pin guard does not exit: a pin's driver may hang")

    def _start(self) -> str | None:
        """Start a guard; why that failed, else None."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._pid = spawn(COMMAND, theirs, os.environ)
        except OSError as error:
            ours.close()
            return f"cannot be started: {error.strerror or error}"
        # If it has ended already, the end of the socket shows it.
        with suppress(OSError):
            ours.send(msgspec.json.encode(self._opening()))
        ours.setblocking(False)
        with self._in_order:
            self._connection, self._unanswered_s = ours, None
            if self._ending.is_set():
                ours.shutdown(socket.SHUT_WR)
        return None

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            started_s = time.monotonic()
            if self._connection is not None:
                self._listen(self._connection)
                if self._ending.is_set():
                    break
                self._fault = f"has ended: {how_ended(self._pid)}"
            failures = 1 if time.monotonic() - started_s > LIVED_S else failures + 1
            self._hear("gone", f"the pin guard {self._fault}; restarting it")
            self._ending.wait(backoff_s(failures, START_MIN_S, START_MAX_S))
            if not self._ending.is_set():
                self._fault = self._start()
        self._close()
        self._ended.set()
        if self._fault is None:
            how_ended(self._pid)

    def _listen(self, connection: socket.socket) -> None:
        """Receive messages until the guard has ended."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        while True:
            if not poll.poll(ANSWER_S * 1e3):
                self._end_a_guard_that_hangs()
                continue
            try:
                message = connection.recv(MESSAGE_BYTES)
            except OSError:
                message = b""
            if not message:
                self._close()
                return
            words = msgspec.json.decode(message)
            if words[0] == "beat":
                self._unanswered_s = None
            else:
                self._hear(*words)
            if words[0] == "ready":
                _spare_guard()

    def _end_a_guard_that_hangs(self) -> None:
        # Only if nothing has arrived: after a stop of the daemon itself, an answer is waiting.
        unanswered_s = self._unanswered_s
        if unanswered_s is not None and time.monotonic() - unanswered_s > ANSWER_S:
            logger.error("the pin guard hangs; killing it")
            os.kill(self._pid, signal.SIGKILL)

    def _close(self) -> None:
        with self._in_order:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _spare_guard() -> None:
    """Make the kernel's OOM killer choose this process and its later children first.

    The guard, already running, keeps the previous value: a process may always raise its own.
    Immediately after its start it would still share this process's memory, and thereby the change.
    """
    path = Path("/proc/self/oom_score_adj")
    with suppress(OSError, ValueError):
        path.write_text(str(max(0, min(int(path.read_text()) + 100, 1000))))
