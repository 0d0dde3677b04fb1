"""The only way in: requests from outside wait here until the loop reads them between frames."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from edged.commands import Reply, Request, TakeSnapshot

CONTROLS = 256
"""The most waiting requests; a flood from outside must not fill the memory."""

SNAPSHOTS = 16
"""The most waiting requests for a picture. They have a queue of their own: without frames they wait
long, and must not take the place of requests that can be carried out at once."""

_FULL = Reply(error="too many requests are waiting; try again")


class Mailbox:
    """A bounded queue from any thread, or a signal handler, to the loop's thread.

    A stop is a flag and waits behind nothing. The queue relies on the atomic operations of a deque
    and takes no lock: a signal handler runs inside the loop's own thread, where waiting for a lock
    that this thread holds would never end.
    """

    def __init__(self) -> None:
        self.stopping: str | None = None
        """Why the loop is to end; None while it is not."""
        self._controls: deque[Request[Any]] = deque()
        self._snapshots: deque[Request[Any]] = deque()

    def stop(self, reason: str) -> None:
        """End the loop after the present frame. The first reason stays."""
        self.stopping = self.stopping or reason

    def post(self, request: Request[Any], *, bounded: bool = True) -> None:
        """Add a request; never blocks.

        If its queue is full, it is refused at once. Without ``bounded``, the caller ensures that
        there is never more than one.
        """
        snapshot = isinstance(request.command, TakeSnapshot)
        lane, room = (self._snapshots, SNAPSHOTS) if snapshot else (self._controls, CONTROLS)
        if len(lane) < room or not bounded:
            lane.append(request)
        else:
            request.reply(_FULL)

    def take(self) -> list[Request[Any]]:
        """Remove and return every waiting request except those for a picture, oldest first."""
        return [self._controls.popleft() for _ in range(len(self._controls))]

    @property
    def wants_picture(self) -> bool:
        """Whether a request for a picture waits."""
        return bool(self._snapshots)

    def take_snapshots(self, before_s: float = math.inf) -> list[Request[Any]]:
        """Remove and return the requests for a picture made before `before_s`, oldest first."""
        taken = []
        while self._snapshots and self._snapshots[0].asked_s < before_s:
            taken.append(self._snapshots.popleft())
        return taken
