"""A daemon whose disk is full, read-only, slow or gone, and files of its state that are torn."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from edged.models import slots
from tests.audience import Audience, made_broker
from tests.journal.test_full_disk import fill
from tests.mosquitto import wait_until
from tests.observed import PATIENCE_S, Observed
from tests.power import Disk

MQTT = """\
host = "127.0.0.1"
port = {port}
retry_min_s = 0.1
retry_max_s = 0.5
health_s = 0.5
classification_hz = 10.0
"""


class Scene:
    """The daemon, its state on a disk of its own, a broker and its audience."""

    def __init__(self, folder: Path, block_bytes: int, stack: ExitStack) -> None:
        self.disk = Disk(folder, block_bytes)
        broker = made_broker(folder)
        lines = MQTT.format(port=broker.port)
        self.disk.mount()
        stack.callback(self._unmount)
        self.daemon = Observed(folder, lines, state=self.disk.place / "state", each=10)
        self.audience = stack.enter_context(Audience(self.daemon, broker))
        stack.callback(self._end)
        self.daemon.start()

    def _end(self) -> None:
        if self.daemon.running.status() is None:
            self.daemon.running.stop(signal.SIGKILL)

    def _unmount(self) -> None:
        with suppress(OSError):
            self.disk.thaw()
        self.disk.unmount()

    def start_again(self, options: str = "rw") -> None:
        """The power has failed: what was not on the disk is lost."""
        self._end()
        self.disk.unmount()
        self.disk.mount(options)
        self.daemon.start()

    def stores_again(self) -> None:
        """Return when the newest event is on the disk."""
        newest = self.daemon.made()[-1].number
        wait_until(lambda: newest in self._stored(), PATIENCE_S)

    def _stored(self) -> list[int]:
        return [event["number"] for event in self.daemon.events() if event["type"] == "event"]


@contextmanager
def _full(scene: Scene) -> Iterator[None]:
    filler = fill(scene.disk.place)
    yield
    filler.unlink()


@contextmanager
def _slow(scene: Scene) -> Iterator[None]:
    scene.disk.freeze()
    try:
        yield
    finally:
        scene.disk.thaw()


@contextmanager
def _broken(scene: Scene) -> Iterator[None]:
    scene.disk.break_down()
    yield
    scene.start_again()


@contextmanager
def _cut(scene: Scene) -> Iterator[None]:
    scene.disk.cut()
    yield
    scene.start_again()


@contextmanager
def _read_only_start(scene: Scene) -> Iterator[None]:
    scene.start_again("ro")
    yield
    # A run that never stored anything leaves no trace of its numbers (docs/mqtt.md).
    scene.audience.forget()
    scene.daemon.forget()
    scene.start_again()


@contextmanager
def _full_start(scene: Scene) -> Iterator[None]:
    filler = fill(scene.disk.place)
    scene.start_again()
    yield
    filler.unlink()


@contextmanager
def _slow_start(scene: Scene) -> Iterator[None]:
    scene._end()
    scene.disk.freeze()
    try:
        made = len(scene.daemon.made())
        scene.daemon.start()
        # Until then the loop has waited once for numbers to be reserved, for a second.
        wait_until(lambda: len(scene.daemon.made()) > made, PATIENCE_S)
        yield
    finally:
        scene.disk.thaw()


FAULTS: Mapping[str, Callable[[Scene], AbstractContextManager[None]]] = {
    "full": _full,
    "every write waits": _slow,
    "an error that makes it read-only": _broken,
    "gone": _cut,
    "read-only at the start": _read_only_start,
    "full at the start": _full_start,
    "every write waits at the start": _slow_start,
}


@contextmanager
def scene(folder: Path, block_bytes: int) -> Iterator[Scene]:
    """A daemon that runs, with a disk that is as it should be, with blocks of that size."""
    with ExitStack() as stack:
        yield Scene(folder, block_bytes, stack)


DAMAGE: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "emptied": lambda content, _: content[:0],
    "cut": lambda content, chance: content[: chance.randrange(len(content) + 1)],
    "cut by a byte": lambda content, _: content[:-1],
    "zeros": lambda content, _: bytes(len(content)),
    "zeros from an offset on": lambda content, chance: (
        content[: (at := chance.randrange(len(content) + 1))] + bytes(len(content) - at)
    ),
    "rubbish": lambda content, chance: chance.randbytes(max(len(content), 100)),
    "rubbish in the middle": lambda content, chance: (
        content[: (at := chance.randrange(len(content) + 1))]
        + chance.randbytes(16)
        + content[at + 16 :]
    ),
}


class TornScene:
    """A daemon that was killed after it had written each file of its state, kept in ``whole``."""

    def __init__(self, folder: Path) -> None:
        self.daemon = Observed(folder, "enabled = false\n", each=10)
        self._whole = folder / "whole"
        with patch.dict(os.environ, {"STATE_DIRECTORY": str(self.daemon.state)}):
            choices = slots.folder(self.daemon.running.config)
        choices.mkdir()
        slots.write_choice(choices, slots.Choice())
        daemon = self.daemon
        try:
            daemon.start()
            daemon.ask("set-threshold", rule="cat", threshold="enter", value=0.31)
            daemon.ask("save", region=[0.0, 0.0, 1.0, 1.0])
            made = len(daemon.made())
            wait_until(lambda: len(daemon.made()) > made + 3)
            # Of what is made now, the last is on the disk.
            time.sleep(0.2)
        finally:
            daemon.running.stop(signal.SIGKILL)
        shutil.copytree(daemon.state, self._whole)
        self.files = sorted(
            path.relative_to(self._whole) for path in self._whole.rglob("*") if path.is_file()
        )
        self.last = daemon.made()[-1].number

    def start_with(self, name: Path, damage: str, chance: random.Random) -> str:
        """What a start with one damaged file did. AssertionError where that is not right."""
        daemon = self.daemon
        shutil.rmtree(daemon.state)
        shutil.copytree(self._whole, daemon.state)
        torn = daemon.state / name
        content = torn.read_bytes()
        damaged = DAMAGE[damage](content, chance)
        torn.write_bytes(damaged)
        daemon.running.log.unlink()
        before = len(daemon.made())
        try:
            daemon.start()
            wait_until(lambda: len(daemon.made()) > before)
            daemon.ask("status")
        except AssertionError:
            log = daemon.running.log.read_text()
            # A mask must not silently disappear: these are refused.
            assert name.suffix == ".toml", log
            assert daemon.running.status() == 78, log
            assert "Traceback" not in log, log
            return "refused"
        finally:
            if daemon.running.status() is None:
                daemon.running.stop(signal.SIGKILL)
        log = daemon.running.log.read_text()
        assert "Traceback" not in log, log
        first = daemon.made()[before].number
        assert first > self.last, f"number {first} is used twice; the last was {self.last}"
        return "started"
