"""The daemon of `tests.observed`: ``python -m tests.observed_child FOLDER run --config ...``.

It notes when each frame was decided and each event recorded, and its wall clock can be turned.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CLOCK = struct.Struct("dd")
"""In the file ``clock``: seconds to add to the wall clock; whether it follows a time server."""

FRAME = struct.Struct("d")
"""In the file ``frames``, for each frame: when it was decided."""


def main() -> int:
    folder = Path(sys.argv.pop(1))
    with (folder / "clock").open("r+b") as file:
        clock_file = mmap.mmap(file.fileno(), CLOCK.size)
    wall_clock = time.time
    # Before any module takes the clock as the default of an argument.
    time.time = lambda: wall_clock() + CLOCK.unpack_from(clock_file)[0]
    from edged import cli, clock
    from edged.health import Vitals
    from edged.journal.journal import Journal

    clock.TIMESYNCD = folder / "absent"
    clock._kernel_is_synchronized = lambda: bool(CLOCK.unpack_from(clock_file)[1])
    frames = os.open(folder / "frames", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    events = os.open(folder / "made", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def noting_frames(record: Callable[[Vitals, Any], None]) -> Callable[[Vitals, Any], None]:
        def recorded(vitals: Vitals, result: Any) -> None:
            record(vitals, result)
            os.write(frames, FRAME.pack(result.decided_s))

        return recorded

    def noting_events(record: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(journal: Journal, made: Sequence[Any]) -> Any:
            numbered = record(journal, made)
            for event in numbered:
                noted = [event.number, event.rule, event.active, event.onset_s, event.decided_s]
                os.write(events, json.dumps([*noted, time.monotonic()]).encode() + b"\n")
            return numbered

        return recorded

    Vitals.record = noting_frames(Vitals.record)  # type: ignore[method-assign]
    Journal.record = noting_events(Journal.record)  # type: ignore[method-assign]
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
