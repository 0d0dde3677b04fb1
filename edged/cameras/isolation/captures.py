"""What a camera's process has captured, until it is let go."""

from __future__ import annotations

import threading
from collections import deque

from edged.cameras.source import Capture

UNREAD = 4
"""Captures that are kept although nobody has asked for their picture yet."""


class Captures:
    """What has been captured and is not let go, by number. Any thread."""

    def __init__(self) -> None:
        self._in_order = threading.Lock()
        self._kept: dict[int, Capture] = {}
        self._unread: deque[int] = deque()
        self.newest = 0
        """The number of the last one."""

    def keep(self, capture: Capture) -> int:
        """Its number; of those that nobody asked for, the oldest makes room."""
        with self._in_order:
            self.newest += 1
            self._kept[self.newest] = capture
            self._unread.append(self.newest)
            if len(self._unread) > UNREAD:
                self._kept.pop(self._unread.popleft(), None)
            return self.newest

    def asked_for(self, number: int) -> Capture | None:
        """The capture, which is kept from now on until it is freed; None if it is gone."""
        with self._in_order:
            if number in self._unread:
                self._unread.remove(number)
            return self._kept.get(number)

    def free(self, number: int) -> None:
        """Nobody will ask for it any more."""
        with self._in_order:
            self._kept.pop(number, None)
            if number in self._unread:
                self._unread.remove(number)
