"""Numbers for events, none of them ever used twice."""

from __future__ import annotations

import os
from pathlib import Path

from edged.files import open_regular, write_atomically

HIGHEST = 3 * 2**51
"""The highest number that is believed. From there up to 2**53, which every reader of JSON holds
exactly, there is room for all that a device can still count."""

BLOCK = 256
"""Numbers reserved at a time. After a crash those that are left are a gap."""

SPREAD_BITS = 20


class Numbers:
    """The numbers that may be given now. Guarded by its owner."""

    def __init__(self) -> None:
        self.next = 1
        self._reserved = 0
        self._wanted = 0
        self._unreserved = False

    def start_after(self, used: int) -> None:
        """Numbers up to this one may have been used before; none has been given yet."""
        self.next = used + 1

    def may_give(self, count: int) -> bool:
        """Whether so many may be given; where not, so many are reserved next."""
        self._wanted = count
        return self._unreserved or self._left() >= count

    def give(self, count: int) -> int:
        """The first of the next `count` numbers."""
        first = self.next
        self.next += count
        return first

    def to_reserve(self) -> int | None:
        """Up to which number to reserve; None while enough is reserved."""
        if self._left() >= max(self._wanted, BLOCK // 2):
            return None
        return self.next - 1 + max(self._wanted, BLOCK)

    def reserved(self, number: int) -> None:
        """Numbers up to this one are reserved."""
        self._reserved = number
        # Those given meanwhile, unreserved, may go beyond.
        self._unreserved = self._left() < 0

    def leap(self, wall_s: float) -> None:
        """Go on without reserving, where nobody has been and nobody will come."""
        self.next = somewhere_above(self.next - 1, wall_s)
        self._unreserved = True

    def _left(self) -> int:
        return self._reserved - (self.next - 1)


def somewhere_above(number: int, wall_s: float) -> int:
    """A number that no run has come near, as nothing can be kept that says so.

    It starts from the time in seconds, so that a later run's numbers are higher, and lies by chance
    within the numbers of its second, so that two runs by a clock that stands do not meet.
    """
    second_start = min(max(0, int(wall_s)), 2**32 - 1) << SPREAD_BITS
    return max(second_start, number) + 1 + int.from_bytes(os.urandom(8), "big") % (1 << SPREAD_BITS)


def read_mark(path: Path) -> int | None:
    """The number above which none has been used; None where the file is damaged or absent.

    OSError where it cannot be read.
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
    """Say, before they are used, that numbers up to `number` may be. OSError."""
    write_atomically(path, b"%d\n" % number)
