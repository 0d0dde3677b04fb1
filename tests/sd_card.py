"""What a daemon writes to its disk: ``python -m tests.sd_card``, which needs root and ext4.

Counted by the block device, with all that the file system and its journal add.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.audience import made_broker
from tests.mosquitto import wait_until
from tests.observed import PATIENCE_S, Observed, quick_folder
from tests.power import Disk

MQTT = """\
host = "127.0.0.1"
port = {port}
"""

EVENTS_A_DAY = 1440
APART_S = 2.0
"""Two events are further apart than the journal waits before it writes a cursor."""


class Written(NamedTuple):
    """Bytes of an event, with what is written meanwhile; and in each second without events."""

    event: float
    idle: float

    @property
    def day_mb(self) -> float:
        """In a day with an event a minute, in MB (10^6 bytes)."""
        return (EVENTS_A_DAY * self.event + 86_400 * self.idle) / 1e6


def measured(folder: Path, events: int, idle_s: float) -> Written:
    """A daemon with a broker makes so many events, and then none for so long."""
    with ExitStack() as stack:
        broker = made_broker(folder)
        broker.start()
        stack.callback(broker.stop)
        disk = stack.enter_context(Disk(folder))
        lines = MQTT.format(port=broker.port)
        fps = 10
        daemon = Observed(
            folder, lines, state=disk.place / "state", fps=fps, each=round(APART_S * fps)
        )
        daemon.start()
        stack.callback(daemon.running.stop)
        wait_until(lambda: len(daemon.made()) >= 2, PATIENCE_S)
        before, count = disk.written_bytes(), len(daemon.made())
        wait_until(lambda: len(daemon.made()) >= count + events, events * APART_S + PATIENCE_S)
        # Its cursor and its scores follow later.
        time.sleep(APART_S - 0.5)
        with_events, made = disk.written_bytes() - before, len(daemon.made()) - count
        daemon.ask("pause")
        # What is left of before: scores after the last event.
        time.sleep(min(idle_s, 12.0))
        before, began_s = disk.written_bytes(), time.monotonic()
        time.sleep(idle_s)
        idle = (disk.written_bytes() - before) / (time.monotonic() - began_s)
    return Written(with_events / made, idle)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what edged writes to an SD card.")
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--idle-s", type=float, default=120.0)
    arguments = parser.parse_args()
    with quick_folder() as folder:
        written = measured(folder, arguments.events, arguments.idle_s)
    print(
        f"{written.event / 1000:.1f} kB for an event, {written.idle:.0f} bytes a second without "
        f"one: {written.day_mb:.0f} MB a day at one event a minute"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
