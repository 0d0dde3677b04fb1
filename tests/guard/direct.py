"""A guard in the test's own thread: what is sent to it is done when `send` returns."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edged.config.schema import GpioConfig, InputConfig, OutputConfig
from edged.core import OutputState
from edged.errors import ConfigError
from edged.guard.guard import Guard
from edged.mailbox import Mailbox
from edged.ports.gpio.port import GpioPort


class DirectGuard(Guard):
    """Messages are JSON on their way, as between processes."""

    def __init__(
        self,
        opening: Callable[[], object],
        hear: Callable[..., None],
        factory: Callable[[Any], AbstractContextManager[Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hear = hear
        first = msgspec.json.encode(opening())
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nobody:
            super().__init__(nobody, factory, clock)
        self.deaf = False
        try:
            self.open(json.loads(first, object_hook=lambda fields: SimpleNamespace(**fields)))
        except ConfigError as error:
            self.tell("wrong", str(error))
            self.pins.release()

    def tell(self, *message: Any) -> None:
        self._hear(*json.loads(json.dumps(message)))

    def send(self, *message: Any) -> bool:
        if not self.deaf:
            self.obey(*msgspec.json.decode(msgspec.json.encode(message)))
        return not self.deaf

    def end(self) -> None:
        self.pins.release()
        os.close(self._wake_fd)


def on(pins: Any) -> Callable[..., DirectGuard]:
    """How a `GpioPort` starts a guard on these pins: a factory that stays open."""
    return lambda opening, hear: DirectGuard(opening, hear, lambda _gpio: nullcontext(pins))


@contextmanager
def opened_port(
    factory: Callable[[Any], AbstractContextManager[Any]],
    outputs: Sequence[OutputConfig],
    inputs: Sequence[InputConfig],
    mailbox: Mailbox,
    tell: Callable[[OutputState], None],
    clock: Callable[[], float] = time.monotonic,
    gpio: GpioConfig = GpioConfig(),  # noqa: B008 (frozen)
) -> Iterator[GpioPort]:
    """A port whose outputs have been told."""

    def start(opening: Callable[[], object], hear: Callable[..., None]) -> DirectGuard:
        return DirectGuard(opening, hear, factory, clock)

    with GpioPort(gpio, outputs, inputs, mailbox, start, clock) as port:
        port.begin(tell)
        yield port


def started_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards that a daemon starts run in this process, where a test has fake chips."""
    spawn = os.posix_spawn

    def start(
        path: str, words: Sequence[str], environment: Any, *, file_actions: Any, **_: Any
    ) -> int:
        del path, words
        connection = socket.socket(fileno=os.dup(file_actions[0][1]))

        def run() -> None:
            with connection:
                Guard(connection).run()

        threading.Thread(target=run, daemon=True).start()
        # What is waited for at the end.
        return spawn("/bin/true", ["true"], environment)

    monkeypatch.setattr(os, "posix_spawn", start)


def guard_of(port: GpioPort) -> DirectGuard:
    assert isinstance(port._guard, DirectGuard)
    return port._guard
