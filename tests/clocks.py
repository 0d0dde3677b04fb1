"""Clocks that tests turn by hand."""

from __future__ import annotations


class StandingClock:
    """Says `now_s`, in seconds, until a test says otherwise."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
