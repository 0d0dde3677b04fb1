"""What happened: a rule changed, or numbers of events that nobody will see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edged.core import Event, Reason
from edged.messages.message import Count, Message, Moment, Score, bounded, encoded

GapReason: TypeAlias = Literal["full", "crash", "damaged", "refused"]


class EventMessage(Message, frozen=True, kw_only=True):
    """A rule became active or inactive."""

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
            description="why the rule ended though no frame said so: the camera delivers no "
            "picture, edged stopped, or it had ended without a word and started again"
        ),
    ] = None
    replayed: Annotated[bool, Meta(description="sent later than made: the broker was away")] = False


class GapMessage(Message, frozen=True, kw_only=True):
    """Events that are lost, or numbers that no event has: nobody needs to wait for them."""

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
    """One event, as it is sent at once."""
    return EventMessage(
        device=at.device,
        time=at.time,
        number=made.number,
        id=f"{at.device}-{made.number}",
        rule=made.rule,
        active=made.active,
        score=bounded(made.score),
        onset=at.utc(made.onset_s),
        decided=at.utc(made.decided_s),
        frame=made.frame,
        reason=made.reason,
    )


def replayed(payload: bytes) -> bytes:
    """An event's JSON, of this or an earlier version of edged, marked as sent late."""
    return encoded({**msgspec.json.decode(payload), "replayed": True})
