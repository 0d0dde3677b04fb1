"""The envelope of CloudEvents, as the SDK reads it."""

from __future__ import annotations

import time

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from edged.messages import cloudevents, events
from edged.messages.events import GapMessage
from edged.messages.message import Moment
from tests.ports.mqtt.reports import event

AT = Moment.now("porch", time.monotonic, time.time)
GAP = GapMessage(device="porch", time=AT.time, first=3, last=5, reason="full").json()


def test_a_gap_is_known_by_its_numbers() -> None:
    sent = cloudevents.structured(GAP, "/edged/porch")
    read = from_http_event(HTTPMessage({"content-type": cloudevents.STRUCTURED}, sent))
    attributes = read.get_attributes()
    assert attributes["id"] == cloudevents.message_id(GAP) == "porch-gap-3-5"
    assert (attributes["type"], attributes["subject"]) == ("io.github.edged.gap", "events")


def test_a_copy_that_is_sent_late_is_the_same_event() -> None:
    made = events.event(event(7), AT).json()
    assert cloudevents.message_id(events.replayed(made)) == cloudevents.message_id(made)


@pytest.mark.parametrize(
    ("root", "source"), [("edged/porch", "/edged/porch"), ("a b/ü", "/a%20b/%C3%BC")]
)
def test_a_source_is_a_uri_reference(root: str, source: str) -> None:
    assert cloudevents.source(root) == source


def test_headers_are_percent_encoded_as_the_sdk_decodes_them() -> None:
    odd = b'{"type": "event", "device": "d", "time": "2026-01-01T00:00:00Z", "id": "1", '
    payload = odd + '"rule": "50 % \\"ü\\""}'.encode()
    headers = cloudevents.headers(payload, "/edged/porch")
    assert headers["ce-subject"] == "50%20%25%20%22%C3%BC%22"
    read = from_http_event(HTTPMessage({**headers, "content-type": cloudevents.JSON}, payload))
    assert read.get_attributes()["subject"] == '50 % "ü"'
