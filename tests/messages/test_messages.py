"""Every message is what its schema says, and so are the examples in the documentation."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edged import build
from edged.commands import Reply
from edged.config.load import load
from edged.core import Frame, OutputState
from edged.imaging.picture import read_picture
from edged.messages import device, events, results, schemas
from edged.messages.events import GapMessage
from edged.messages.message import Moment, encoded
from edged.messages.results import PictureMessage, milliseconds, ranked
from edged.messages.schemas.__main__ import NAMES, SAID, generate
from tests.ports.mqtt.reports import event, health, result

DOCUMENTATION = Path(__file__).parents[2] / "docs"

PICTURES = Path(__file__).parents[1] / "pictures"
AT = Moment.now("porch", time.monotonic, time.time)


def made(name: str) -> dict[str, Any]:
    """One message as it leaves."""
    seen = result()
    messages: dict[str, Any] = {
        "state": results.state(seen, AT),
        "event": events.event(event(), AT),
        "gap": GapMessage(device="porch", time=AT.time, first=3, last=5, reason="full"),
        "classification": results.classification(seen, 3, AT),
        "picture": PictureMessage(
            path="cat.jpg",
            model="m",
            results=ranked(seen.prediction, 2),
            stages_ms=milliseconds(seen.stages_s),
        ),
        "health": device.health(health(), AT, messages_dropped=2),
        "output": device.output(OutputState("lamp", 1.0, AT.now_s), AT),
        "reply": Reply(result=seen).message(AT, "snapshot", 3),
    }
    decoded: dict[str, Any] = json.loads(encoded(messages[name]))
    return decoded


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        schemas.load(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


OUTGOING = pytest.mark.parametrize("name", sorted(SAID))


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_in_the_package_is_that_of_the_type(name: str) -> None:
    Draft202012Validator.check_schema(schemas.load(name))
    assert schemas.load(name) == generate(name), "run: python -m edged.messages.schemas"


@OUTGOING
def test_a_message_is_what_its_schema_says(name: str) -> None:
    validator(name).validate(made(name))


@OUTGOING
def test_a_message_without_any_one_field_or_with_a_wrong_one_is_not(name: str) -> None:
    message = made(name)
    for field in message:
        without = {key: value for key, value in message.items() if key != field}
        assert not validator(name).is_valid(without), field
    for field, wrong in [("schema", 2), ("device", 5), ("time", 12.5), ("path", 1)]:
        if field in message:
            assert not validator(name).is_valid({**message, field: wrong})


def test_a_score_beyond_1_is_not_an_event() -> None:
    assert not validator("event").is_valid({**made("event"), "score": 1.5})


def test_a_command_has_a_known_name() -> None:
    assert validator("command").is_valid({"command": "pause", "id": "x"})
    assert not validator("command").is_valid({"command": "reboot"})
    assert not validator("command").is_valid({"id": "x"})


def test_a_reply_can_never_be_taken_for_a_command() -> None:
    assert not validator("command").is_valid(made("reply"))


def test_a_score_that_rounding_pushed_out_of_range_is_brought_back() -> None:
    told = device.output(OutputState("lamp", 1.0000001, 0.0), AT)
    assert told.value == 1.0


def test_replaying_marks_an_event_and_changes_nothing_else() -> None:
    original = events.event(event(), AT).json()
    again = json.loads(events.replayed(original))
    assert again == {**json.loads(original), "replayed": True}
    validator("event").validate(again)


def test_replaying_keeps_the_fields_of_another_version() -> None:
    assert json.loads(events.replayed(b'{"schema": 7, "new": [1]}')) == {
        "schema": 7,
        "new": [1],
        "replayed": True,
    }


def examples() -> list[tuple[str, str]]:
    """Each fenced JSON block of the documentation, with the schema that it names before it."""
    text = "".join((DOCUMENTATION / page).read_text("utf-8") for page in ("mqtt.md", "cli.md"))
    return re.findall(r"<!-- schema: (\w+) -->\s*```json\n(.*?)```", text, re.DOTALL)


def test_the_documentation_shows_every_message() -> None:
    assert {name for name, _ in examples()} == set(NAMES)


def test_the_stages_in_the_documentation_are_those_of_a_real_frame() -> None:
    shown = {name: json.loads(example) for name, example in examples()}
    with build.perception(load(None)) as perception:
        pixels = read_picture(PICTURES / "cat.jpg")
        stages = list(perception.decide(Frame(pixels, 1, 0.0)).stages_s)
    assert list(shown["classification"]["stages_ms"]) == stages
    assert list(shown["health"]["stages_ms"]) == [*stages, "latency"]


@pytest.mark.parametrize(("name", "example"), examples())
def test_an_example_in_the_documentation_is_what_its_schema_says(name: str, example: str) -> None:
    validator(name).validate(json.loads(example))
