"""The one table of what can be asked, by whom, and what is answered."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from edged import commands
from edged.cli import main
from edged.cli.parser import make_parser
from edged.commands import (
    COMMANDS,
    REQUEST_BYTES,
    Asker,
    Command,
    Parser,
    Pause,
    Reply,
    Request,
    SetOutput,
    carry_out,
    does,
    fields_of,
    level,
    name_of,
    open_to,
    seconds,
)
from edged.config.schema import InputConfig
from edged.errors import CommandError, EdgedError
from edged.messages.message import Moment
from edged.messages.replies import AttentionAnswer
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


def test_what_a_command_needs_is_asked_for_on_the_command_line() -> None:
    arguments = make_parser().parse_args(["set-output", "lamp", "0.5"])
    assert (arguments.name, arguments.value) == ("lamp", 0.5)
    assert fields_of(SetOutput) == {"name": str, "value": level, "for_s": seconds}
    assert fields_of(Pause) == {}


@pytest.mark.parametrize("payload", [b"pause", b" Pause\n", b'{"command": "pause"}'])
def test_a_name_or_json_is_a_command(payload: bytes) -> None:
    assert Parser(Asker.MQTT).parse(payload) == Pause()


def test_the_fields_and_the_id_come_from_json() -> None:
    payload = b'{"command": "set-output", "name": "lamp", "value": 1, "id": 7, "more": []}'
    assert Parser(Asker.SOCKET).parse(payload) == SetOutput(name="lamp", value=1.0, id=7)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"set-output", "not a command: .*name"),
        (b'{"command": "set-output", "name": "lamp", "value": 1.5}', "not a command: .*1.0"),
        (b'{"command": "dance"}', "not a command: .*dance"),
        (b"dance", '"dance" is not a command; commands: snapshot, pause'),
        (b"{dance", "neither JSON nor a command's name; commands: snapshot, pause"),
        (b"x" * (REQUEST_BYTES + 1), f"at most {REQUEST_BYTES} bytes"),
    ],
)
def test_anything_else_is_refused_with_what_can_be_asked(payload: bytes, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        Parser(Asker.SOCKET).parse(payload)


def test_what_only_others_may_ask_is_no_command() -> None:
    with pytest.raises(CommandError, match="not a command"):
        Parser(Asker.MQTT).parse(b'{"command": "set-output", "name": "lamp", "value": 1}')


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


@pytest.mark.parametrize(
    ("text", "value"), [("ON", 1.0), (" off ", 0.0), ("0.25", 0.25), ("-0", 0.0), ("1", 1.0)]
)
def test_an_output_is_set_with_a_word_or_a_number(text: str, value: float) -> None:
    assert level(text) == value
    assert str(level(text)) == str(value)


@pytest.mark.parametrize("text", ["", "2", "-0.1", "nan", "inf", "1e400", "0_1", "toggle"])
def test_an_output_is_set_with_nothing_else(text: str) -> None:
    with pytest.raises(CommandError, match="ON, OFF or a number from 0 to 1"):
        level(text)


def test_a_wrong_value_on_the_command_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["set-output", "lamp", "nan"])
    assert stopped.value.code == 2
    assert "ON, OFF or a number from 0 to 1" in capsys.readouterr().err


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


def test_what_a_command_does_is_its_first_sentence() -> None:
    assert does(Pause) == "Stop classifying until `resume`; outputs keep their level"


def test_a_request_of_the_greatest_length_is_read() -> None:
    payload = b'{"command": "pause"}'.ljust(REQUEST_BYTES)
    assert Parser(Asker.MQTT).parse(payload) == Pause()


def test_a_refusal_is_readable_and_short() -> None:
    with pytest.raises(CommandError) as told:
        Parser(Asker.MQTT).parse(b'{"command": "' + b"x" * 3000 + b'"}')
    line, _, known = str(told.value).partition("; commands: ")
    assert line.startswith("not a command: Invalid value ")
    assert len(line) == len("not a command: ") + 200
    assert known.split(", ") == list(open_to(Asker.MQTT))
