"""Commands as text: what is read as one, and what is refused."""

from __future__ import annotations

import json

import msgspec
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
        (b'{"command": "dance"}', '"dance" is not a command; commands: snapshot, pause'),
        (b'{"value": 1}', "not a command: expected JSON such as .*; commands: snapshot, pause"),
        (b"dance", '"dance" is not a command; commands: snapshot, pause'),
        (b"{dance", "neither JSON nor a command's name; commands: snapshot, pause"),
        (b"x" * (REQUEST_BYTES + 1), f"at most {REQUEST_BYTES} bytes"),
    ],
)
def test_anything_else_is_refused_with_what_can_be_asked(payload: bytes, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        Parser(Asker.SOCKET).parse(payload)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("set-output", "set-output: name: missing; expected text"),
        (
            '{"command": "set-output", "name": "lamp", "value": 5}',
            "set-output: value = 5: expected a number from 0 to 1",
        ),
        (
            '{"command": "review-decide", "numbers": [1], "verdict": "agreed"}',
            'review-decide: verdict = "agreed": expected one of "accept", "correct", "discard"',
        ),
        (
            '{"command": "review-decide", "numbers": [1, "2"], "verdict": "accept"}',
            'review-decide: numbers[1] = "2": expected a whole number; did you mean 2?',
        ),
        (
            json.dumps({"command": "review-decide", "numbers": [0] * 257, "verdict": "accept"}),
            "expected a list of at most 256 whole numbers",
        ),
        (
            json.dumps({"command": "review-decide", "numbers": [], "by": "x" * 129}),
            "expected text of at most 128 characters",
        ),
        (
            '{"command": "use-file", "model": "birds.tflite", "shadow_s": -1}',
            "use-file: shadow_s = -1: expected a number from 0 to 86400",
        ),
        ('{"command": "why", "event": null}', "why: event = null: expected a whole number"),
        (
            '{"command": "save", "rule": {"name": "a b", "labels": ["cat"]}}',
            'save: rule.name = "a b": expected a name of letters, digits',
        ),
        (
            '{"command": "save", "rule": null, "privacy": [[[0, 0]]]}',
            "save: privacy = [[[0, 0]]]: expected a list of polygons",
        ),
    ],
)
def test_a_field_that_does_not_fit_is_told_in_the_words_of_the_configuration(
    payload: str, told: str
) -> None:
    with pytest.raises(CommandError) as refused:
        Parser(Asker.SOCKET).parse(payload.encode())
    line = str(refused.value)
    assert told in line
    assert "commands:" not in line
    assert line.isprintable()


@pytest.mark.parametrize("name", open_to(Asker.SOCKET))
def test_each_field_of_a_command_has_words_for_what_is_allowed(name: str) -> None:
    for field in msgspec.structs.fields(open_to(Asker.SOCKET)[name]):
        payload = json.dumps({"command": name, field.name: {"no": ["field", "is this"]}})
        with pytest.raises(CommandError, match=rf"^{name}: {field.name}\b.*: (expected|unknown)"):
            Parser(Asker.SOCKET).parse(payload.encode())


def test_what_only_others_may_ask_is_no_command() -> None:
    with pytest.raises(CommandError, match='"set-output" is not a command'):
        Parser(Asker.MQTT).parse(b'{"command": "set-output", "name": "lamp", "value": 1}')


@pytest.mark.parametrize(
    ("text", "value"), [("ON", 1.0), (" off ", 0.0), ("0.25", 0.25), ("-0", 0.0), ("1", 1.0)]
)
def test_an_output_is_set_with_a_word_or_a_number(text: str, value: float) -> None:
    assert level(text) == value
    assert str(level(text)) == str(value)


@pytest.mark.parametrize("text", ["", "2", "-0.1", "nan", "inf", "1e400", "0_1", "toggle"])
def test_an_output_is_set_with_nothing_else(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        level(text)
    assert str(refused.value) == f'"{text}": expected ON, OFF or a number from 0 to 1'


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
    assert line.endswith("xxx... is not a command")
    assert len(line) < 100
    assert known.split(", ") == list(open_to(Asker.MQTT))
