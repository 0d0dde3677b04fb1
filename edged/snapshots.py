"""Requests for a picture, answered with a frame whose exposure began after the request."""

from __future__ import annotations

from collections.abc import Callable

from edged.commands import Reply
from edged.core import Report, Result, Snapshot
from edged.mailbox import Mailbox


class Snapshots:
    """Answers the requests for a picture in the mailbox. Used only by the loop's thread."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def wanted(self) -> bool:
        """Whether a request for a picture waits."""
        return self._mailbox.wants_picture

    def answer(self, result: Result, tell: Callable[[Report], None]) -> None:
        """Answer the requests made before the exposure of `result`'s frame began.

        `tell` it to all ports if requested. Later requests continue to wait.
        """
        frame = result.frame
        for request in self._mailbox.take_snapshots(frame.captured_s - frame.exposure_s):
            request.reply(Reply(result=result))
            if request.publish:
                tell(Snapshot(result, request.asked_by))

    def refuse(self, reason: str) -> None:
        """Refuse waiting requests: no frame will arrive soon."""
        for request in self._mailbox.take_snapshots():
            request.reply(Reply(error=reason))
