"""The common parts of all messages: their type; those of a device also have its name and a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from edged.clock import SYNCHRONIZED, trust
from edged.printable import printable

SchemaVersion: TypeAlias = Literal[1]
"""Increased when a field is removed or changes its meaning, not for a new field."""

Score: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Milliseconds: TypeAlias = Annotated[dict[str, float], Meta(description="stage to milliseconds")]


class Percentiles(Struct, frozen=True):
    """Median and 99th percentile."""

    p50: Annotated[float, Meta(description="median, milliseconds")]
    p99: Annotated[float, Meta(description="99th percentile, milliseconds")]


_encoder = msgspec.json.Encoder(enc_hook=str)


def encoded(document: object) -> bytes:
    """A message, or any part of one, as UTF-8 JSON on one line."""
    try:
        return _encoder.encode(document)
    except UnicodeEncodeError:
        # A path that is not UTF-8, from an unexpected place.
        return _encoder.encode(_utf8(msgspec.to_builtins(document, enc_hook=str)))


def _utf8(value: object) -> object:
    if isinstance(value, dict):
        return {_utf8(key): _utf8(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_utf8(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _type_of(struct_name: str) -> str:
    return struct_name.removesuffix("Message").removesuffix("Answer").lower()


class Document(Struct, frozen=True, kw_only=True, tag_field="type", tag=_type_of):
    """Base of all messages. ``type`` in the JSON says which one it is."""

    def json(self) -> bytes:
        """As UTF-8 JSON on one line."""
        return encoded(self)


class Message(Document, frozen=True, kw_only=True):
    """Base of all messages of a device."""

    schema: SchemaVersion = 1
    device: Annotated[str, Meta(description="the device's name in its configuration")]
    time: Annotated[datetime, Meta(description="when the message was made, UTC", tz=True)]
    time_synced: Annotated[
        bool, Meta(description="whether the clock is synchronised with a time server")
    ] = False


class Moment(NamedTuple):
    """A device and a moment, to convert monotonic times into dates.

    ``offset_s`` is wall-clock seconds minus monotonic seconds, ``synced`` whether the wall clock is
    synchronised.
    """

    device: str
    now_s: float
    offset_s: float
    synced: bool = False

    @classmethod
    def now(
        cls, device: str, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> Moment:
        """The present moment by both clocks."""
        now_s = clock()
        wall_s = wall_clock()
        return cls(device, now_s, wall_s - now_s, trust(wall_s) == SYNCHRONIZED)

    @property
    def time(self) -> datetime:
        """This moment's date."""
        return self.utc(self.now_s)

    def utc(self, monotonic_s: float) -> datetime:
        """The date of a monotonic time."""
        return datetime.fromtimestamp(monotonic_s + self.offset_s, timezone.utc)


def bounded(score: float) -> float:
    """A score for a message: four digits, in 0..1."""
    # A mean of float32 values may exceed 0..1 by one bit, which the schema forbids.
    return min(1.0, max(0.0, round(float(score), 4)))
