"""Commands as text: what is read as one, and what is refused."""

from __future__ import annotations

import pytest

from edged.cli import main
from edged.cli.parser import make_parser
from edged.commands import Asker, Pause, SetOutput, open_to
from edged.errors import CommandError
from edged.syntax import REQUEST_BYTES, Parser, does, fields_of, level, seconds


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
