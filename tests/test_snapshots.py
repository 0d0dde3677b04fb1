"""Requests for a picture."""

from __future__ import annotations

from edged.commands import Reply, Request, TakeSnapshot
from edged.core import Report, Snapshot
from edged.mailbox import Mailbox
from edged.snapshots import Snapshots
from tests.ports.mqtt.reports import result


def test_everybody_who_waits_gets_the_same_frame_and_nobody_waits_any_more() -> None:
    mailbox, replies, told = Mailbox(), list[Reply](), list[Report]()
    snapshots = Snapshots(mailbox)
    assert not snapshots.wanted
    mailbox.post(Request(TakeSnapshot(), "a button", replies.append, publish=True))
    mailbox.post(Request(TakeSnapshot(), "the control socket", replies.append))
    assert snapshots.wanted
    seen = result()
    snapshots.answer(seen, told.append)
    assert replies == [Reply(result=seen)] * 2
    assert told == [Snapshot(seen, "a button")]
    assert not snapshots.wanted


def test_who_waits_in_vain_is_told_why() -> None:
    mailbox, replies = Mailbox(), list[Reply]()
    mailbox.post(Request(TakeSnapshot(), reply=replies.append))
    Snapshots(mailbox).refuse("no camera")
    assert replies == [Reply(error="no camera")]
    assert not mailbox.wants_picture
