"""Requests for a picture."""

from __future__ import annotations

from msgspec.structs import replace

from edged.commands import Reply, Request, TakeSnapshot
from edged.core import Report, Result, Snapshot
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


def test_a_frame_that_was_exposed_before_the_request_answers_nobody() -> None:
    mailbox, replies, told = Mailbox(), list[Reply](), list[Report]()
    snapshots = Snapshots(mailbox)
    mailbox.post(Request(TakeSnapshot(), reply=replies.append, asked_s=10.0))
    for captured_s, exposure_s in ((9.9, 0.0), (10.0, 0.0), (10.1, 0.1), (10.3, 0.4)):
        snapshots.answer(exposed(captured_s, exposure_s), told.append)
    assert not replies
    assert snapshots.wanted
    fresh = exposed(10.3, 0.2)
    snapshots.answer(fresh, told.append)
    assert replies == [Reply(result=fresh)]


def test_a_later_request_waits_for_a_later_frame() -> None:
    mailbox, replies = Mailbox(), list[str]()
    snapshots = Snapshots(mailbox)
    for name, asked_s in (("first", 10.0), ("second", 10.2)):
        mailbox.post(
            Request(
                TakeSnapshot(), name, lambda _, name=name: replies.append(name), asked_s=asked_s
            )
        )
    snapshots.answer(exposed(10.1, 0.0), lambda _: None)
    assert replies == ["first"]
    snapshots.answer(exposed(10.3, 0.0), lambda _: None)
    assert replies == ["first", "second"]


def exposed(captured_s: float, exposure_s: float) -> Result:
    seen = result(captured_s=captured_s)
    return replace(seen, frame=replace(seen.frame, exposure_s=exposure_s))
