"""The mailbox."""

from __future__ import annotations

from edged.mailbox import CAPACITY, Answer, Command, Mailbox


def test_what_is_posted_is_taken_once_and_in_order() -> None:
    mailbox = Mailbox()
    first, second = Command("pause"), Command("resume")
    assert mailbox.post(first)
    assert mailbox.post(second)
    assert mailbox.take() == [first, second]
    assert mailbox.take() == []


def test_a_flood_is_refused_with_an_answer() -> None:
    mailbox = Mailbox()
    answers: list[Answer] = []
    for _ in range(CAPACITY):
        assert mailbox.post(Command("wake"))
    assert not mailbox.post(Command("status", reply=answers.append))
    assert answers[0].error == "too many commands are waiting; try again"
    assert len(mailbox.take()) == CAPACITY
