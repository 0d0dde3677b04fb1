"""Events in the form of Frigate's topic ``events``, for its subscribers.

A classifier knows what is in view, but not where: ``box``, ``area``, ``ratio`` and ``region`` are
absent, and there are no zones.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edged.core import CAMERA
from edged.messages.events import EventMessage
from edged.messages.message import Score, encoded

UnixSeconds = Annotated[float, Meta(description="seconds since 1970, UTC")]


class TrackedObject(Struct, frozen=True, kw_only=True):
    """A rule's detection, from its activation on."""

    id: Annotated[str, Meta(description="the same from new to end")]
    camera: Annotated[str, Meta(description="the device's name")]
    frame_time: UnixSeconds
    label: Annotated[str, Meta(description="the rule")]
    sub_label: None = None
    top_score: Score
    score: Score
    false_positive: bool = False
    start_time: UnixSeconds
    end_time: UnixSeconds | None = None
    active: bool = True
    stationary: bool = False
    motionless_count: Literal[0] = 0
    position_changes: Literal[0] = 0
    current_zones: tuple[str, ...] = ()
    entered_zones: tuple[str, ...] = ()
    has_clip: bool = False
    has_snapshot: bool = False
    thumbnail: None = None


class FrigateMessage(Struct, frozen=True, kw_only=True):
    """A change of a tracked object: it is new, or it ended."""

    type: Literal["new", "end"]
    before: TrackedObject
    after: TrackedObject


class Tracker:
    """Follows each rule from its activation to its end. One thread at a time."""

    def __init__(self) -> None:
        self._tracked: dict[str, TrackedObject] = {}
        self._decoder = msgspec.json.Decoder(EventMessage)

    def follow(self, payload: bytes) -> bytes | None:
        """The message for an event's JSON; None for a gap, and where no rule has changed.

        An end whose beginning was in another run starts at its own time.
        """
        try:
            event = self._decoder.decode(payload)
        except msgspec.ValidationError:
            return None
        if event.cause is not None or event.rule == CAMERA:
            return None
        at_s, onset_s = event.decided.timestamp(), event.onset.timestamp()
        seen = TrackedObject(
            id=f"{onset_s:.6f}-{event.number}",
            camera=event.device,
            frame_time=at_s,
            label=event.rule,
            top_score=event.score,
            score=event.score,
            start_time=onset_s,
        )
        if event.active:
            self._tracked[event.rule] = seen
            before = msgspec.structs.replace(seen, false_positive=True)
            return encoded(FrigateMessage(type="new", before=before, after=seen))
        before = self._tracked.pop(event.rule, seen)
        after = msgspec.structs.replace(
            before,
            frame_time=at_s,
            score=event.score,
            top_score=max(before.top_score, event.score),
            end_time=onset_s,
            active=False,
        )
        return encoded(FrigateMessage(type="end", before=before, after=after))
