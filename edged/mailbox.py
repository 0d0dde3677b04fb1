"""The only way in: what is asked from outside waits here until the loop reads it between frames."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from edged.commands import Reply, Request, TakeSnapshot

CONTROLS = 256
"""Requests that may wait; a flood from outside must not become memory."""

SNAPSHOTS = 16
"""Requests for a picture that may wait. A lane apart: while no frame comes they wait long, and
must not take the room of what can be carried out at once."""

_FULL = Reply(error="too many requests are waiting; try again")


class Mailbox:
    """A bounded hand-over from any thread, or a signal handler, to the loop's thread.

    To stop is a flag and waits behind nothing. All rests on the atomic ends of a deque and takes
    no lock: a signal handler runs inside the loop's own thread, where waiting for a lock that this
    thread holds would never end.
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
        """Leave a request; never blocks. Where its lane is full it is refused at once.

        Not ``bounded`` is for who sees to it that there is never more than one.
        """
        snapshot = isinstance(request.command, TakeSnapshot)
        lane, room = (self._snapshots, SNAPSHOTS) if snapshot else (self._controls, CONTROLS)
        if len(lane) < room or not bounded:
            lane.append(request)
        else:
            request.reply(_FULL)

    def take(self) -> list[Request[Any]]:
        """Every request that waits, oldest first; those for a picture are left."""
        return [self._controls.popleft() for _ in range(len(self._controls))]

    @property
    def wants_picture(self) -> bool:
        """Whether somebody waits for a picture."""
        return bool(self._snapshots)

    def take_snapshots(self, before_s: float = math.inf) -> list[Request[Any]]:
        """Every request for a picture made before `before_s`, oldest first; later ones are left."""
        taken = []
        while self._snapshots and self._snapshots[0].asked_s < before_s:
            taken.append(self._snapshots.popleft())
        return taken
