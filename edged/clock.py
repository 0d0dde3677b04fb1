"""The wall clock: how far it is trusted, and how to correct times from before it was set.

A board without a battery starts in 1970, or when it stopped, until it gets the time from the
network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

PLAUSIBLE_S = 1672531200.0
"""The beginning of 2023: a clock that was set is never earlier."""

UNSET, SET, SYNCHRONIZED = range(3)
"""How far a clock is trusted: its date cannot be right; it may be; it follows a time server."""

STEP_S = 60.0
"""A clock that has gained more than this since the same boot was set."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""Created by systemd-timesyncd when it has set the clock; readable by services that may not ask the
kernel."""

TIME_ERROR = 5
"""The result of adjtimex(2) while the clock is not synchronised."""

TIMEX_BYTES = 512
"""More than any architecture's ``struct timex``."""


class Reading(msgspec.Struct, frozen=True):
    """The wall clock at some moment.

    ``offset_s`` is wall-clock seconds minus the seconds since the boot ``boot``, suspended time
    included.
    """

    boot: str
    offset_s: float
    trust: int

    def correction_s(self, later: Reading) -> float:
        """What to add to a time of this clock, given the `later` reading; 0 if unknown."""
        step_s = later.offset_s - self.offset_s
        # It may be unknown who set it: a clock starts late, and is set forward.
        was_set = self.trust == later.trust == SET and step_s > STEP_S
        better = later.trust > self.trust or was_set
        return step_s if better and self.boot == later.boot else 0.0


def read(wall_clock: Callable[[], float] = time.time) -> Reading:
    """The clock now."""
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    wall_s = wall_clock()
    return Reading(_boot(), wall_s - since_boot_s, trust(wall_s))


def trust(wall_s: float) -> int:
    """How far to trust a wall clock that now reads `wall_s`."""
    if wall_s < PLAUSIBLE_S:
        return UNSET
    return SYNCHRONIZED if _kernel_is_synchronized() or TIMESYNCD.exists() else SET


def _kernel_is_synchronized() -> bool:
    """What chrony, ntpd and systemd-timesyncd told the kernel; false if asking is forbidden."""
    import ctypes

    # Zero in the first field, ``modes``, only reads, which needs no permission.
    state: int = _libc().adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return 0 <= state != TIME_ERROR


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)


@cache
def _boot() -> str:
    with suppress(OSError):
        return BOOT_ID.read_text().strip()
    # Unlike any other, so that it never causes a correction.
    return f"unknown-{time.time_ns()}"
