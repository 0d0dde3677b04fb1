"""A guard on a chip whose levels are in a file, where other processes see them and their times.

``python -m tests.guard.chip FILE`` is such a guard; it is otherwise as ``python -m edged.guard``.
"""

from __future__ import annotations

import mmap
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import pytest

from edged.guard import guard
from tests.ports.gpio.fake_gpiod import FakeChip, FakeLine, install

NAMES = ("RELAY", "LAMP", "BUTTON", "BELL")
_ROW = struct.Struct("qq")
BEATS = len(NAMES)
"""The row of the last beat that the guard has heard."""


class Levels:
    """Of each line its level and when it changed, in `file`; made where it is not there."""

    def __init__(self, file: Path) -> None:
        size = _ROW.size * (len(NAMES) + 1)
        if not file.exists():
            file.write_bytes(bytes(size))
        with file.open("r+b") as opened:
            self._rows = mmap.mmap(opened.fileno(), size)

    def of(self, name: str) -> int:
        return self.row(NAMES.index(name))[1]

    def changed_s(self, name: str) -> float:
        return self.row(NAMES.index(name))[0] / 1e9

    def beat_s(self) -> float:
        return self.row(BEATS)[0] / 1e9

    def row(self, place: int) -> tuple[int, int]:
        ns, level = _ROW.unpack_from(self._rows, place * _ROW.size)
        return ns, level

    def put_by_hand(self, name: str, level: int) -> None:
        """As somebody with a wire would."""
        self.put(NAMES.index(name), level)

    def put(self, place: int, level: int) -> None:
        _ROW.pack_into(self._rows, place * _ROW.size, time.monotonic_ns(), level)


class SeenLine(FakeLine):
    """A line whose level others see, and which keeps it when its process is gone."""

    def __init__(self, levels: Levels, place: int) -> None:
        super().__init__(NAMES[place], levels.row(place)[1])
        self._levels, self._place = levels, place

    def put(self, level: int) -> None:
        before = self.level
        super().put(level)
        if level != before:
            self._levels.put(self._place, level)


class SeenGuard(guard.Guard):
    """A guard whose beats others see."""

    levels: Levels

    def obey(self, verb: str, *words: Any) -> None:
        if verb == "beat":
            self.levels.put(BEATS, 0)
        super().obey(verb, *words)


def main() -> int:
    """As `edged.guard.guard.main`."""
    SeenGuard.levels = levels = Levels(Path(sys.argv[1]))
    chip = FakeChip("seen", [SeenLine(levels, place) for place in range(len(NAMES))])
    with tempfile.TemporaryDirectory() as devices:
        install(pytest.MonkeyPatch(), Path(devices), gpiochip0=chip)
        guard.Guard = SeenGuard  # type: ignore[misc]
        return cast("int", guard.main())


if __name__ == "__main__":
    sys.exit(main())
