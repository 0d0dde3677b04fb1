"""A chosen model counts as good when the loop still turns a minute later."""

from __future__ import annotations

import queue
import threading

from edged.commands import Reply, Request, TellStatus
from edged.mailbox import Mailbox
from edged.models.chosen import PROBATION_S, Chosen


class Probation:
    """Declares the chosen model good when the loop still turns after a minute."""

    def __init__(self, mailbox: Mailbox, chosen: Chosen) -> None:
        self._mailbox = mailbox
        self._chosen = chosen
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Count the minute from here, if the model is on probation."""
        self.end()
        if self._chosen.on_probation:
            self._timer = threading.Timer(PROBATION_S, self._ask)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self) -> None:
        replies: queue.Queue[Reply] = queue.Queue(1)
        # Only a loop that turns answers.
        self._mailbox.post(Request(TellStatus(), "edged", replies.put_nowait), bounded=False)
        replies.get()
        self._chosen.prove()
