"""The guard's loop: it applies the daemon's levels, or the safe ones when the daemon is silent."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

from edged.errors import ConfigError
from edged.guard.pins import Pins
from edged.ports.gpio.factory import open_factory
from edged.ports.gpio.safe import put_outputs_safe

CONFIGURATION_BYTES = 1 << 20
MESSAGE_BYTES = 1 << 16
"""Small enough that Python does not request and release memory for each message."""

SPIN_S = 0.5
"""The kernel ends a guard that takes a core for so long without a pause: a board may have one."""


class Guard:
    """One daemon's pins, at the other end of a socket pair."""

    def __init__(
        self,
        connection: socket.socket,
        factory: Callable[[Any], AbstractContextManager[Any]] = open_factory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connection` is a SOCK_SEQPACKET, whose first message is the configuration."""
        self._connection = connection
        self._factory = factory
        self._clock = clock
        self._in_order = threading.Lock()
        self._unsent: dict[tuple[Any, ...], bytes] = {}
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._beat_s: float | None = None
        self.alone = False
        """Whether the daemon no longer receives messages."""

    def run(self, opened: Callable[[], None] = lambda: None) -> None:
        """Run until the daemon ends or closes the socket; then all outputs are at safe levels.

        `opened` is called once the pins are open.
        """
        first = self._connection.recv(CONFIGURATION_BYTES)
        self._connection.setblocking(False)
        if not first:
            return
        wanted = json.loads(first, object_hook=lambda fields: SimpleNamespace(**fields))
        if self._is_alone():
            # A daemon that cannot even start switches nothing on.
            put_outputs_safe(wanted.gpio, wanted.outputs)
            return
        try:
            self.open(wanted)
            opened()
            self._serve()
        except ConfigError as error:
            self.pins.release()
            self.tell("wrong", str(error))
            # Another guard would fail in the same way: the daemon has to end.
            self._connection.setblocking(True)
            with suppress(OSError):
                while self._connection.recv(MESSAGE_BYTES):
                    pass
        finally:
            self.pins.release()

    def open(self, wanted: SimpleNamespace) -> None:
        """Open the pins of the configuration. ConfigError for one that does not exist."""
        self._deadman_s: float = wanted.gpio.deadman_s
        self.pins = Pins(
            partial(self._factory, wanted.gpio),
            wanted.outputs,
            wanted.inputs,
            self.tell,
            lambda: os.eventfd_write(self._wake_fd, 1),
            self._clock,
        )
        self.pins.open(wanted.levels, at_start=wanted.at_start)
        self.tell("ready")

    def tell(self, *message: Any) -> None:
        """From any thread. For a stopped daemon, the newest message of each kind waits."""
        kind = message[:2] if message[0] in ("output", "input") else message[:1]
        with self._in_order:
            self._unsent[kind] = json.dumps(message).encode()
            self._flush()

    def _flush(self) -> None:
        for kind, message in list(self._unsent.items()):
            try:
                self._connection.send(message)
            except BlockingIOError:
                return
            except OSError:
                self.alone = True
            del self._unsent[kind]

    def _is_alone(self) -> bool:
        try:
            return not self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        while True:
            wait_s = self.advance()
            events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            poll.register(self._connection, events)
            ready = poll.poll(None if wait_s is None else wait_s * 1e3)
            if not self._hear_all():
                return
            if any(fd == self._wake_fd for fd, _ in ready):
                os.eventfd_read(self._wake_fd)
            with self._in_order:
                self._flush()

    def advance(self) -> float | None:
        """Process all messages and what is due; seconds until the next is due, None for never."""
        silence_s = self._silence_s()
        if silence_s is not None and silence_s <= 0:
            self.pins.stall(
                f"edged's loop has stalled for {self._deadman_s:g} s: outputs are at their safe "
                "levels; if a frame takes that long, raise gpio.deadman_s"
            )
        waits_s = [self.pins.advance(), self._silence_s()]
        # Never negative, which would block forever in poll.
        return min((max(0.0, wait_s) for wait_s in waits_s if wait_s is not None), default=None)

    def _silence_s(self) -> float | None:
        """How long the next beat may take; None if none is awaited."""
        if self._beat_s is None or self.pins.stalled:
            return None
        return self._beat_s + self._deadman_s - self._clock()

    def _hear_all(self) -> bool:
        """False if nothing more will arrive."""
        while True:
            try:
                message = self._connection.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not message:
                return False
            self.obey(*json.loads(message))

    def obey(self, verb: str, *words: Any) -> None:
        """Carry out a message from the daemon."""
        match verb:
            case "levels":
                self.pins.drive(words[0])
            case "set":
                question, place, value = words
                self.tell("answer", question, self.pins.set(place, value))
            case "beat":
                self._beat_s = self._clock()
                if self.pins.stalled:
                    self.pins.resume()
                self.tell("beat")


class ToDaemon(logging.Handler):
    """Sends log records as messages; without a daemon, prints them to standard error."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    def emit(self, record: logging.LogRecord) -> None:
        self._guard.tell("log", record.levelno, self.format(record))
        if self._guard.alone:
            print(f"edged guard: {self.format(record)}", file=sys.stderr)


def take_precedence() -> None:
    """Let this thread run before all others, where that is permitted (``LimitRTPRIO=``).

    On a busy board it would else wait for milliseconds before it sets a level. A better nice value
    shortens most of these waits, but not the longest.
    """
    import resource

    limit_us = int(SPIN_S * 1e6)
    lowest = os.sched_param(os.sched_get_priority_min(os.SCHED_RR))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_RTTIME, (limit_us, limit_us))
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, lowest)


def main() -> int:
    """The process: its standard input is the socket."""
    try:
        connection = socket.socket(fileno=sys.stdin.fileno())
    except OSError:
        print("edged guard: no socket on standard input; `edged run` starts it", file=sys.stderr)
        return os.EX_USAGE
    guard = Guard(connection)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ToDaemon(guard)])
    guard.run(take_precedence)
    # Before the interpreter's slow exit.
    connection.close()
    return 0
