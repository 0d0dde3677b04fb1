"""The one table of what can be asked, by whom, and what is answered."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from edged import commands
from edged.cli.parser import make_parser
from edged.commands import (
    COMMANDS,
    Asker,
    Command,
    Pause,
    Reply,
    Request,
    carry_out,
    name_of,
    open_to,
)
from edged.config.schema import InputConfig
from edged.errors import CommandError, EdgedError
from edged.messages.message import Moment
from edged.messages.replies import AttentionAnswer
from edged.syntax import does
from tests.ports.mqtt.reports import result

AT = Moment("porch", 10.0, 1e9)


TEACHING = {"teach", "taught", "forget", "undo-teaching"}
REVIEWING = {"review", "review-picture", "review-decide", "review-teach"}


def test_every_command_has_a_name_of_its_own_and_says_what_it_does() -> None:
    names = [name_of(kind) for kind in COMMANDS]
    assert len(set(names)) == len(names)
    assert all(does(kind)[0].isupper() and "." not in does(kind)[-1] for kind in COMMANDS)


def test_who_may_ask_for_what() -> None:
    asked = {asker: set(open_to(asker)) for asker in Asker}
    everybody = {"snapshot", "pause", "resume", "wake"}
    assert asked[Asker.INPUT] == everybody
    assert asked[Asker.MQTT] == everybody | TEACHING | {
        "status",
        "set-threshold",
        "reload",
        "use-model",
        "revert-model",
        "why",
    }
    assert asked[Asker.SIGNAL] == {"reload"}
    answered = {"status", "metrics", "setup", "set-output", "set-threshold", "reload", "watch"}
    answered |= {"record", "why", "taught-pictures", *REVIEWING}
    models = {"use-model", "use-file", "revert-model"}
    assert asked[Asker.SOCKET] == everybody | answered | models | {"save", "undo", *TEACHING}


def test_the_command_line_has_every_command_of_the_control_socket() -> None:
    (choices,) = (action.choices for action in make_parser()._actions if action.choices)
    assert choices is not None
    # What is saved from the page is written by people with an editor; `edged models use` and `edged
    # teach` have options for all that concerns models and taught labels, `edged review` for kept
    # pictures.
    others = {"save", "use-model", "use-file", "revert-model", "taught-pictures"}
    others |= (TEACHING | REVIEWING) - {"teach", "review"}
    assert set(open_to(Asker.SOCKET)) - others <= set(choices)


def asked(command: Command, handler: Any) -> list[Reply]:
    replies: list[Reply] = []
    carry_out(Request(command, "a test", replies.append), {type(command): handler})
    return replies


def test_a_request_is_replied_to_with_what_its_handler_answers() -> None:
    answer = AttentionAnswer(paused=True, idle=False)
    assert asked(Pause(), lambda _request: answer) == [Reply(data=answer)]


def test_a_handler_that_replies_later_is_not_replied_for() -> None:
    assert asked(Pause(), lambda _request: None) == []


def test_a_refusal_is_replied_and_logged_with_who_asked(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(request: Request[Pause]) -> None:
        raise CommandError("not now")

    with caplog.at_level(logging.WARNING):
        assert asked(Pause(), refuse) == [Reply(error="not now")]
    assert caplog.messages == ["pause, requested by a test: not now"]


def test_a_bug_is_not_taken_for_a_refusal() -> None:
    def bug(request: Request[Pause]) -> None:
        raise ZeroDivisionError

    assert not issubclass(ZeroDivisionError, EdgedError)
    with pytest.raises(ZeroDivisionError):
        asked(Pause(), bug)


def test_a_reply_as_it_leaves() -> None:
    seen = Reply(result=result(4)).message(AT, "snapshot", "a3", top=2, jpeg_bytes=5)
    assert (seen.request, seen.id, seen.ok, seen.jpeg_bytes) == ("snapshot", "a3", True, 5)
    assert seen.classification is not None
    assert [best.label for best in seen.classification.results] == ["tabby", "goldfish"]
    refused = Reply(error="no").message(AT, None)
    assert (refused.ok, refused.error, refused.classification) == (False, "no", None)


@pytest.mark.parametrize("synced", [True, False])
def test_a_reply_says_whether_its_time_is_known(synced: bool) -> None:
    assert Reply().message(AT._replace(synced=synced), None).time_synced is synced


def test_inputs_may_ask_for_what_the_table_lets_them() -> None:
    assert InputConfig(name="door", pin=1).action in open_to(Asker.INPUT)
    assert commands.TakeSnapshot in open_to(Asker.INPUT).values()


def test_a_request_is_of_edged_itself_and_told_to_nobody_unless_it_says_otherwise() -> None:
    request = Request(Pause())
    assert (request.asked_by, request.publish) == ("edged", False)
    request.reply(Reply())


def test_a_reply_tells_three_classes_and_announces_no_picture_unless_told_to() -> None:
    seen = result()
    message = Reply(result=seen).message(AT, "snapshot")
    assert message.classification is not None
    assert len(message.classification.results) == 3
    assert message.jpeg_bytes == 0
