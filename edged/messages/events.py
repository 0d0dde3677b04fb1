"""Events: a rule changed, or events are missing."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edged import clock
from edged.clock import SYNCHRONIZED, Reading
from edged.core import Cause, Event, Fault, Reason
from edged.messages.message import Count, Message, Moment, Score, bounded, encoded

GapReason: TypeAlias = Literal["full", "crash", "damaged", "refused"]


class EventMessage(Message, frozen=True, kw_only=True):
    """A rule became active or inactive, the pictures drifted, or the camera failed."""

    number: Annotated[
        Count, Meta(description="one more than that of the event before; never used twice")
    ]
    id: Annotated[str, Meta(description="the same in every copy of this event, in no other")]
    rule: str
    active: bool
    score: Annotated[Score, Meta(description="smoothed score at the deciding frame")]
    onset: Annotated[
        datetime, Meta(description="when the score crossed the threshold, UTC", tz=True)
    ]
    decided: Annotated[
        datetime, Meta(description="capture time of the deciding frame, UTC", tz=True)
    ]
    frame: Count
    reason: Annotated[
        Reason | None,
        Meta(
            description="why the rule ended without a frame: the camera delivers no "
            "picture, edged stopped, or edged restarted after an unexpected end"
        ),
    ] = None
    cause: Annotated[
        Cause | Fault | None,
        Meta(description="of events of the names drift and camera, which no rule has: what it is"),
    ] = None
    replayed: Annotated[bool, Meta(description="sent late: the broker was unreachable")] = False


class GapMessage(Message, frozen=True, kw_only=True):
    """Lost events or unused numbers, for which consumers need not wait."""

    first: Annotated[Count, Meta(description="the first number that is missing")]
    last: Annotated[Count, Meta(description="the last number that is missing")]
    reason: Annotated[
        GapReason,
        Meta(
            description="the journal was full, or edged ended before it wrote them, "
            "or what was written could not be read, or the broker refused them"
        ),
    ]


def event(made: Event, at: Moment) -> EventMessage:
    """One event, sent at once."""
    return EventMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        number=made.number,
        id=f"{at.device}-{made.number}",
        rule=made.rule,
        active=made.active,
        score=bounded(made.score),
        onset=at.utc(made.onset_s),
        decided=at.utc(made.decided_s),
        frame=made.frame,
        reason=made.reason,
        cause=made.cause,
    )


def kept(message: EventMessage, reading: Reading) -> bytes:
    """An event's JSON for the journal, with the reading of its clock if that may be wrong.

    `put_right` removes that again.
    """
    if reading.trust == SYNCHRONIZED:
        return message.json()
    return encoded({**msgspec.to_builtins(message), "clock": reading})


def put_right(payload: bytes, now: Reading | None = None) -> bytes:
    """The event from `kept`, with its times corrected by the clock reading `now`.

    None reads the clock.
    """
    return encoded(_put_right(payload, now)) if b'"clock":' in payload else payload


def replayed(payload: bytes, now: Reading | None = None) -> bytes:
    """An event's JSON, of this or an earlier run, corrected and marked as sent late."""
    return encoded({**_put_right(payload, now), "replayed": True})


def _put_right(payload: bytes, now: Reading | None) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(payload)
    made_by = event.pop("clock", None)
    if made_by is None:
        return event
    now = now or clock.read()
    # A readable row with a damaged field still gives the rest.
    with suppress(msgspec.ValidationError, OverflowError):
        correction_s = msgspec.convert(made_by, Reading).correction_s(now)
        if correction_s:
            right = {
                name: msgspec.convert(event[name], datetime) + timedelta(seconds=correction_s)
                for name in ("time", "onset", "decided")
            }
            event |= right | {"time_synced": now.trust == SYNCHRONIZED}
    return event
