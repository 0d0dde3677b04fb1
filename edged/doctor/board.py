"""The board itself: power, temperature, memory, disk and clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from edged import clock
from edged.access import advice
from edged.messages.doctor import Finding, Level

POWER_ADVICE = "use a power supply and cable that are made for this board"
COOL_ADVICE = "add a heat sink or a fan, or lower camera.fps"

WARM_C, HOT_C = 70.0, 80.0
"""A Raspberry Pi slows down from 80 °C on."""

LITTLE_MEMORY_MB, TOO_LITTLE_MEMORY_MB = 150.0, 60.0
LITTLE_SPACE_MB, TOO_LITTLE_SPACE_MB = 500.0, 50.0

WORN_TENTHS, WORN_OUT_TENTHS = 9, 11
"""JEDEC eMMC 5.1, DEVICE_LIFE_TIME_EST_TYP_A and _B: tenths of the life used, 11 for all of it."""

_THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
_BITS = (
    (0, "undervoltage", "the supply voltage is too low", POWER_ADVICE),
    (2, "throttled", "the processor is throttled", COOL_ADVICE),
    (3, "throttled", "the processor has reached its soft temperature limit", COOL_ADVICE),
)
"""Of ``vcgencmd get_throttled`` (Raspberry Pi documentation); 16 bits higher: since the boot."""


def power(root: Path = Path("/")) -> Iterator[Finding]:
    """What a Raspberry Pi's firmware says of voltage and throttling; nothing on other boards."""
    try:
        state = int((root / _THROTTLED).read_text(), 16)
    except (OSError, ValueError):
        return
    before = len(_BITS)
    for bit, name, what, do in _BITS:
        if state & 1 << bit:
            yield Finding(name, "error", f"{what} now", do)
        elif state & 1 << (bit + 16):
            since = what.replace(" is ", " was ").replace(" has reached ", " reached ")
            yield Finding(name, "warning", f"{since} since the boot", do)
        else:
            before -= 1
    if not before:
        yield Finding("power", "ok", "no undervoltage and no throttling since the boot")


def temperature(degrees_c: float | None) -> Iterator[Finding]:
    """`degrees_c` is that of the warmest sensor; None where there is none."""
    if degrees_c is None:
        return
    level = _graded(degrees_c, WARM_C, HOT_C)
    do = "" if level == "ok" else COOL_ADVICE
    yield Finding("temperature", level, f"{degrees_c:.0f} °C", do)


def memory(root: Path = Path("/")) -> Iterator[Finding]:
    """What is available for another process."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free_mb = int(line.split()[1]) / 1e3
            level = _graded(-free_mb, -LITTLE_MEMORY_MB, -TOO_LITTLE_MEMORY_MB)
            do = "" if level == "ok" else "end other programs, or use a smaller model"
            yield Finding("memory", level, f"{free_mb:.0f} MB of memory available", do)


def disk(state: Path) -> Iterator[Finding]:
    """Where edged keeps its `state`: whether it can be written, and how much space is left."""
    place = next((one for one in (state, *state.parents) if one.exists()), Path("/"))
    found = os.statvfs(place)
    if found.f_flag & os.ST_RDONLY:
        do = "remount it read-write, or set journal.path to a disk that is"
        yield Finding("state-directory", "error", f"{state} is on a read-only file system", do)
        return
    if not os.access(place, os.W_OK | os.X_OK):
        do = advice(place, os.W_OK)
        yield Finding("state-directory", "error", f"{state} cannot be written by this user", do)
    else:
        yield Finding("state-directory", "ok", f"{state} can be written")
    free_mb = found.f_bavail * found.f_frsize / 1e6
    level = _graded(-free_mb, -LITTLE_SPACE_MB, -TOO_LITTLE_SPACE_MB)
    do = "" if level == "ok" else f"free some space on the disk of {place}"
    yield Finding("disk-space", level, f"{free_mb:.0f} MB free for {state}", do)


def wear(root: Path = Path("/")) -> Iterator[Finding]:
    """How worn an eMMC is. SD cards do not tell."""
    for file in sorted((root / "sys/block").glob("mmcblk*/device/life_time")):
        with suppress(ValueError):
            tenths = max(int(word, 16) for word in _read(file).split())
            name = file.parts[-3]
            level = _graded(tenths, WORN_TENTHS, WORN_OUT_TENTHS)
            used = min(tenths, 10) * 10
            do = "" if level == "ok" else "replace the board or its storage before it fails"
            yield Finding("card-wear", level, f"{name} has used up to {used} % of its life", do)


def wall_clock(now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """How far the time of events can be trusted."""
    do = "connect the board to a time server (timedatectl set-ntp true)"
    trust = clock.trust(now())
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now()))
    if trust == clock.UNSET:
        yield Finding("clock", "error", f"the clock is not set: it says {shown} UTC", do)
    elif trust == clock.SET:
        yield Finding("clock", "warning", f"the clock follows no time server: {shown} UTC", do)
    else:
        yield Finding("clock", "ok", f"the clock is synchronised: {shown} UTC")


def _graded(amount: float, warning: float, error: float) -> Level:
    return "error" if amount >= error else "warning" if amount >= warning else "ok"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
