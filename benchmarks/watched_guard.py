"""A guard whose pretended pins write down when a level changed, where another process reads it.

``python -m benchmarks.watched_guard FILE`` is such a guard; it is otherwise as ``edged.guard``.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any

from edged.guard.guard import main
from edged.ports.gpio.mock_pins import MockPin

CHANGES = 4096
"""More than a run has."""

_NS = struct.Struct("q")


class Changes:
    """When levels changed, in `file`, which is made where it is not there."""

    def __init__(self, file: Path) -> None:
        size = _NS.size * (CHANGES + 1)
        if not file.exists():
            file.write_bytes(bytes(size))
        with file.open("r+b") as opened:
            self._stamps = mmap.mmap(opened.fileno(), size)
        self._from = 0

    def note(self) -> None:
        """A level has changed now."""
        now_ns = time.monotonic_ns()
        (count,) = _NS.unpack_from(self._stamps)
        _NS.pack_into(self._stamps, _NS.size * (count + 1), now_ns)
        _NS.pack_into(self._stamps, 0, count + 1)

    def clear(self) -> None:
        """Forget those until now."""
        (self._from,) = _NS.unpack_from(self._stamps)

    def seconds(self) -> list[float]:
        """By ``time.monotonic()``, since the last `clear`."""
        (count,) = _NS.unpack_from(self._stamps)
        places = range(self._from + 1, count + 1)
        return [_NS.unpack_from(self._stamps, _NS.size * place)[0] / 1e9 for place in places]


if __name__ == "__main__":
    changes = Changes(Path(sys.argv[1]))
    plain = MockPin._change_state

    def change(pin: MockPin, value: Any) -> Any:
        """As the pin's own, and noted."""
        changed = plain(pin, value)
        if changed:
            changes.note()
        return changed

    MockPin._change_state = change
    sys.exit(main())
