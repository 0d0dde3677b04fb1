"""Why an event came."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from edged.messages.events import EventMessage
from edged.messages.message import Count, Document, Score

Option: TypeAlias = Literal["enter", "exit", "smoothing_s", "min_on_s", "min_off_s", "cooldown_s"]


class RuleThen(Struct, frozen=True, kw_only=True):
    """A rule as it was at the event; defaults filled in."""

    labels: list[str]
    match: list[str]
    combine: str
    enter: Score
    exit: Score
    smoothing_s: float
    min_on_s: float
    min_off_s: float
    cooldown_s: float


class ScoreThen(Struct, frozen=True, kw_only=True):
    """The rule's score at a frame."""

    t_s: Annotated[float, Meta(description="seconds after the deciding frame; before it: negative")]
    raw: Annotated[Score, Meta(description="of this frame alone")]
    score: Annotated[Score, Meta(description="smoothed, which is compared with the thresholds")]
    active: bool


class Competitor(Struct, frozen=True, kw_only=True):
    """A label, and what it scored from one second before the onset to the decision."""

    label: str
    of_rule: Annotated[bool, Meta(description="whether the rule looks for it")]
    mean: Score
    greatest: Score


class Change(Struct, frozen=True, kw_only=True):
    """The least change of one option with which the event would not have come."""

    option: Option
    was: float
    to: float


class WhyAnswer(Document, frozen=True, kw_only=True):
    """Why an event came, as far as the scores around it are kept."""

    event: EventMessage
    because: Annotated[str, Meta(description="in a sentence, for people")]
    model: str
    rule: Annotated[RuleThen | None, Meta(description="null: it was removed")]
    scores: Annotated[list[ScoreThen], Meta(description="121 at most, in the order of time")]
    frames: Annotated[Count, Meta(description="that are kept around the event")]
    fps: float
    lost: Annotated[Count, Meta(description="frames that are missing among them")]
    labels: Annotated[list[Competitor], Meta(description="the best ones, best first")]
    changes: Annotated[
        list[Change],
        Meta(
            description="each by itself; empty where none was found. What would have come after "
            "the kept frames is not known"
        ),
    ]
    until_s: Annotated[float, Meta(description="how long after the deciding frame frames are kept")]
    picture: Annotated[bool, Meta(description="whether the deciding frame's picture is kept")]
