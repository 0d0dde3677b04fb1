"""The mailbox."""

from __future__ import annotations

from typing import Any

from edged.commands import Pause, Reply, Request, Resume, TakeSnapshot, TellStatus, Wake
from edged.mailbox import CONTROLS, SNAPSHOTS, Mailbox


def test_what_is_posted_is_taken_once_and_in_order() -> None:
    mailbox = Mailbox()
    first: Request[Any] = Request(Pause())
    second: Request[Any] = Request(Resume())
    mailbox.post(first)
    mailbox.post(second)
    assert mailbox.take() == [first, second]
    assert mailbox.take() == []


def test_a_flood_is_refused_with_a_reply() -> None:
    mailbox = Mailbox()
    replies: list[Reply] = []
    for _ in range(CONTROLS):
        mailbox.post(Request(Wake()))
    mailbox.post(Request(TellStatus(), reply=replies.append))
    assert replies[0].error == "too many requests are waiting; try again"
    assert len(mailbox.take()) == CONTROLS


def test_requests_for_a_picture_have_a_lane_of_their_own() -> None:
    mailbox = Mailbox()
    replies: list[Reply] = []
    for _ in range(SNAPSHOTS + 1):
        mailbox.post(Request(TakeSnapshot(), reply=replies.append))
    assert [reply.error for reply in replies] == ["too many requests are waiting; try again"]
    mailbox.post(Request(Pause()))
    assert len(mailbox.take()) == 1
    assert mailbox.wants_picture
    assert len(mailbox.take_snapshots()) == SNAPSHOTS
    assert not mailbox.wants_picture


def test_what_must_not_be_refused_is_taken_beyond_the_bound() -> None:
    mailbox = Mailbox()
    for _ in range(CONTROLS):
        mailbox.post(Request(Wake()))
    mailbox.post(Request(Pause()), bounded=False)
    assert len(mailbox.take()) == CONTROLS + 1


def test_the_first_reason_to_stop_stays() -> None:
    mailbox = Mailbox()
    assert mailbox.stopping is None
    mailbox.stop("SIGTERM")
    mailbox.stop("a bug in camera")
    assert mailbox.stopping == "SIGTERM"
