"""Numbers for events, never used twice."""

from __future__ import annotations

import os
from pathlib import Path

from edged.files import open_regular, write_atomically

HIGHEST = 3 * 2**51
"""The highest plausible number. From there to 2**53, up to which JSON readers are exact, there is
room for every event of a device."""

BLOCK = 256
"""Numbers reserved at a time. After a crash the unused ones are a gap."""

SPREAD_BITS = 20


class Numbers:
    """The numbers that may be given now. Guarded by its owner."""

    def __init__(self) -> None:
        self.next = 1
        self._reserved = 0
        self._wanted = 0
        self._unreserved = False

    def start_after(self, used: int) -> None:
        """Numbers up to this one may have been used before; none has been assigned yet."""
        self.next = used + 1

    def may_give(self, count: int) -> bool:
        """Whether this many may be assigned; otherwise this many are reserved next."""
        self._wanted = count
        return self._unreserved or self._left() >= count

    def give(self, count: int) -> int:
        """The first of the next `count` numbers."""
        first = self.next
        self.next += count
        return first

    def to_reserve(self) -> int | None:
        """The number up to which to reserve; None while enough are reserved."""
        if self._left() >= max(self._wanted, BLOCK // 2):
            return None
        return self.next - 1 + max(self._wanted, BLOCK)

    def reserved(self, number: int) -> None:
        """Numbers up to this one are reserved."""
        self._reserved = number
        # Unreserved numbers assigned meanwhile may exceed it.
        self._unreserved = self._left() < 0

    def leap(self, wall_s: float) -> None:
        """Continue without reserving, in a range that no run has used or will use."""
        self.next = somewhere_above(self.next - 1, wall_s)
        self._unreserved = True

    def _left(self) -> int:
        return self._reserved - (self.next - 1)


def somewhere_above(number: int, wall_s: float) -> int:
    """A number far from those of any run, for when nothing can be stored.

    It starts from the time in seconds, so that a later run's numbers are higher, and is random
    within the numbers of its second, so that two runs with a stopped clock do not collide.
    """
    second_start = min(max(0, int(wall_s)), 2**32 - 1) << SPREAD_BITS
    return max(second_start, number) + 1 + int.from_bytes(os.urandom(8), "big") % (1 << SPREAD_BITS)


def read_mark(path: Path) -> int | None:
    """The number above which none has been used; None if the file is damaged or absent.

    OSError if it cannot be read.
    """
    try:
        with open_regular(path) as file:
            text = file.read(64).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OSError(f"{path}: {error.strerror}") from error
    return int(text) if text.isdigit() and int(text) <= HIGHEST else None


def write_mark(path: Path, number: int) -> None:
    """Record that numbers up to `number` may be used, before they are. OSError."""
    write_atomically(path, b"%d\n" % number)
