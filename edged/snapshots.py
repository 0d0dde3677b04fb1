"""Requests for a picture, answered with a frame whose exposure began after the request."""

from __future__ import annotations

from collections.abc import Callable

from edged.commands import Reply
from edged.core import Report, Result, Snapshot
from edged.mailbox import Mailbox


class Snapshots:
    """What waits in the mailbox for a picture. The loop's thread only."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a picture."""
        return self._mailbox.wants_picture

    def answer(self, result: Result, tell: Callable[[Report], None]) -> None:
        """Give `result` to whoever asked before the exposure of its frame began.

        `tell` it as a report to all ports where that is asked. Later requests wait on.
        """
        frame = result.frame
        for request in self._mailbox.take_snapshots(frame.captured_s - frame.exposure_s):
            request.reply(Reply(result=result))
            if request.publish:
                tell(Snapshot(result, request.asked_by))

    def refuse(self, reason: str) -> None:
        """No frame will come soon."""
        for request in self._mailbox.take_snapshots():
            request.reply(Reply(error=reason))
