"""CloudEvents 1.0: the standard envelope of an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from edged.messages.events import EventMessage, GapMessage
from edged.messages.message import encoded

STRUCTURED = "application/cloudevents+json; charset=utf-8"
"""Content type of an envelope that holds the event."""

JSON = "application/json"
"""Content type of the event alone; `headers` contain the rest."""


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event or a gap with the attributes of CloudEvents 1.0 (JSON format)."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Meta(description="the same in every copy")]
    source: Annotated[str, Meta(description="/<prefix>/<device>, percent-encoded")]
    type: Literal["io.github.edged.event", "io.github.edged.gap"]
    subject: Annotated[str, Meta(description="the rule, or events for a gap")]
    time: Annotated[str, Meta(description="when the message was made, RFC 3339")]
    datacontenttype: Literal["application/json"] = "application/json"
    data: EventMessage | GapMessage


class _Known(Struct):
    type: Literal["event", "gap"]
    device: str
    time: str
    id: str = ""
    rule: str = "events"
    first: int = 0
    last: int = 0


def source(root: str) -> str:
    """The device; `root` is that of its topics, ``<prefix>/<device>``."""
    return quote(f"/{root}")


def message_id(payload: bytes) -> str:
    """The identifier of an event or a gap; the same in every copy."""
    return _id(_decoder.decode(payload))


def structured(payload: bytes, source: str) -> bytes:
    """The envelope of an event or a gap, both as UTF-8 JSON."""
    return encoded({**dict(_attributes(payload, source)), "data": msgspec.Raw(payload)})


def headers(payload: bytes, source: str) -> dict[str, str]:
    """The same as HTTP headers of a body that is `payload` (binary mode)."""
    return {
        f"ce-{name}": quote(value, safe=_PLAIN)
        for name, value in _attributes(payload, source)
        if name != "datacontenttype"
    }


_decoder = msgspec.json.Decoder(_Known)

_PLAIN = "!#$&'()*+,/:;<=>?@[\\]^`{|}~"
"""Printable ASCII that HTTP headers carry unescaped: all except the space, the quote and the %."""


def _id(known: _Known) -> str:
    return known.id or f"{known.device}-gap-{known.first}-{known.last}"


def _attributes(payload: bytes, source: str) -> Iterator[tuple[str, str]]:
    known = _decoder.decode(payload)
    yield "specversion", "1.0"
    yield "id", _id(known)
    yield "source", source
    yield "type", f"io.github.edged.{known.type}"
    yield "subject", known.rule
    yield "time", known.time
    yield "datacontenttype", JSON
