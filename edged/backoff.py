"""Exponential back-off: how long to wait before retrying what failed."""

from __future__ import annotations

import os
from collections.abc import Callable


def chance() -> float:
    """A random number in 0..1 from the kernel, without an import or an open file."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


def backoff_s(
    failures: int, least_s: float, most_s: float, draw: Callable[[], float] = chance
) -> float:
    """Seconds to wait after `failures` failures in a row; `draw` returns a random number in 0..1.

    The limit doubles from twice `least_s` up to `most_s`, and the wait lies in its upper half: a
    thousand devices that lost the same broker or network camera must not reconnect at once.
    """
    limit_s = min(most_s, least_s * 2.0 ** min(failures, 60))
    return max(min(least_s, most_s), limit_s * (0.5 + 0.5 * draw()))
