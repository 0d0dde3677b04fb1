"""Every message is what its schema says, and so are the examples in the documentation."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edged import schemas
from edged.core import OutputState
from edged.ports.mqtt import payloads
from edged.schemas.__main__ import generate
from tests.ports.mqtt.reports import event, health, result

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "mqtt.md"

OFFSET_S = time.time() - time.monotonic()


def made(name: str) -> dict[str, Any]:
    """One message as it leaves."""
    now_s = time.monotonic()
    classified = payloads.classification("porch", result(), 3, now_s, OFFSET_S)
    messages = {
        "state": payloads.state("porch", result(), now_s, OFFSET_S),
        "event": payloads.event("porch", event(), "a-1", now_s, OFFSET_S),
        "classification": classified,
        "health": payloads.health("porch", health(), "0.1.0", 0, 2, OFFSET_S),
        "output": payloads.output("porch", OutputState("lamp", 1.0, now_s), OFFSET_S),
        "reply": payloads.ReplyPayload(
            device="porch",
            time=payloads.utc(now_s, OFFSET_S),
            request="snapshot",
            id=3,
            ok=True,
            classification=classified,
        ),
    }
    decoded: dict[str, Any] = json.loads(messages[name].json())
    return decoded


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        schemas.load(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


OUTGOING = pytest.mark.parametrize("name", sorted(set(payloads.PAYLOADS) - {"command"}))


@pytest.mark.parametrize("name", sorted(payloads.PAYLOADS))
def test_the_schema_in_the_package_is_that_of_the_type(name: str) -> None:
    Draft202012Validator.check_schema(schemas.load(name))
    assert schemas.load(name) == generate(name), "run: python -m edged.schemas"


@OUTGOING
def test_a_message_is_what_its_schema_says(name: str) -> None:
    validator(name).validate(made(name))


@OUTGOING
def test_a_message_without_any_one_field_or_with_a_wrong_one_is_not(name: str) -> None:
    message = made(name)
    for field in message:
        without = {key: value for key, value in message.items() if key != field}
        assert not validator(name).is_valid(without), field
    for field, wrong in [("schema", 2), ("device", 5), ("time", 12.5)]:
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
    told = payloads.output("porch", OutputState("lamp", 1.0000001, 0.0), OFFSET_S)
    assert told.value == 1.0


def test_replaying_marks_an_event_and_changes_nothing_else() -> None:
    original = payloads.event("porch", event(), "a-1", 0.0, OFFSET_S).json()
    again = json.loads(payloads.replayed(original))
    assert again == {**json.loads(original), "replayed": True}
    validator("event").validate(again)


def test_replaying_keeps_the_fields_of_another_version() -> None:
    assert json.loads(payloads.replayed(b'{"schema": 7, "new": [1]}')) == {
        "schema": 7,
        "new": [1],
        "replayed": True,
    }


def examples() -> list[tuple[str, str]]:
    """Each fenced JSON block of the documentation, with the schema that it names before it."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    return re.findall(r"<!-- schema: (\w+) -->\s*```json\n(.*?)```", text, re.DOTALL)


def test_the_documentation_shows_every_message() -> None:
    assert {name for name, _ in examples()} == set(payloads.PAYLOADS)


@pytest.mark.parametrize(("name", "example"), examples())
def test_an_example_in_the_documentation_is_what_its_schema_says(name: str, example: str) -> None:
    validator(name).validate(json.loads(example))
