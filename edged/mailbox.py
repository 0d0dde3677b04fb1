"""The only way in: what comes from outside waits here until the loop reads it between frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from edged.core import Report, Result

CAPACITY = 256
"""Commands and reports that may wait; a flood from outside must not become memory."""


class Answer(msgspec.Struct, frozen=True):
    """What became of a command: ``error`` is None if it was carried out."""

    error: str | None = None
    data: Mapping[str, object] = msgspec.field(default_factory=dict)
    result: Result | None = None


def _nobody_listens(answer: Answer) -> None:
    del answer


class Command(msgspec.Struct, frozen=True):
    """A wish from outside.

    ``name`` is one of: ``snapshot`` (the next classified frame is the answer's result, and a
    Snapshot report too where ``arguments["publish"]`` is true), ``pause``, ``resume``, ``wake``,
    ``status`` (the answer's data), ``set-output`` (``arguments`` name: str, value: float 0..1),
    ``reload``, ``stop``. ``asked_by`` names the asker for the log. ``reply`` is called exactly
    once and must not block: from the loop's thread, or from `Mailbox.post` where that refuses.
    """

    name: str
    arguments: Mapping[str, object] = msgspec.field(default_factory=dict)
    asked_by: str = ""
    reply: Callable[[Answer], None] = _nobody_listens


class Mailbox:
    """A bounded hand-over from any thread, or a signal handler, to the loop's thread.

    It rests on the atomic ends of a deque and takes no lock: a signal handler runs inside the
    loop's own thread, where waiting for a lock that this thread holds would never end.
    """

    def __init__(self) -> None:
        self._items: deque[Command | Report] = deque()

    def post(self, item: Command | Report) -> bool:
        """Leave a command or a report; never blocks. False (a command is answered) if full."""
        if len(self._items) < CAPACITY:
            self._items.append(item)
            return True
        if isinstance(item, Command):
            item.reply(Answer(error="too many commands are waiting; try again"))
        return False

    def take(self) -> list[Command | Report]:
        """Everything that waits, oldest first."""
        return [self._items.popleft() for _ in range(len(self._items))]
