"""What was recorded, and what came of it when it was decided on once more."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from edged.messages.message import Count, Document, Score

Broken = Annotated[str | None, Meta(description="why it is not whole; null: it is")]


class RecordedMessage(Document, frozen=True, kw_only=True):
    """A recording was made."""

    path: str
    frames: Count
    events: Count
    lost: Annotated[Count, Meta(description="frames that are missing: the recorder was too slow")]
    duration_s: float
    bytes: Count
    why: Annotated[str, Meta(description="why it ended, for people")]


class ReplayedMessage(Document, frozen=True, kw_only=True):
    """A recording was decided on once more; a line after its events."""

    path: str
    frames: Count
    recorded: Annotated[Count, Meta(description="events that were made then")]
    made: Annotated[Count, Meta(description="events that are made now")]
    identical: Annotated[
        Count | None, Meta(description="of these, the same to the last bit; null: by other rules")
    ]
    lost: Annotated[Count, Meta(description="frames that are missing")]
    duration_s: Annotated[float, Meta(description="the time that was recorded")]
    took_s: float
    broken: Broken


class RuleSettings(Struct, frozen=True, kw_only=True):
    """What of a rule can be tuned."""

    enter: Score
    exit: Score
    smoothing_s: float
    min_on_s: float
    min_off_s: float
    cooldown_s: float


class Counts(Struct, frozen=True, kw_only=True):
    """What comes of settings on recordings whose truth is marked."""

    marks: Count
    misses: Annotated[Count, Meta(description="marks within which no event begins")]
    false_alarms: Annotated[
        Count, Meta(description="events that begin outside of marks, or as a mark's second")
    ]
    repeats: Annotated[Count, Meta(description="of these, those within marks")]
    per_day: Annotated[float, Meta(description="false alarms a day")]
    delay_p50_s: Annotated[
        float | None, Meta(description="from a mark's start to its event, median")
    ]
    delay_p90_s: float | None


class TunedRow(Struct, frozen=True, kw_only=True):
    """Settings, and what comes of them."""

    settings: RuleSettings
    counts: Counts


class TunedMessage(Document, frozen=True, kw_only=True):
    """The settings of a rule that were found on recordings."""

    rule: str
    recordings: list[str]
    model: str
    duration_s: float
    tried: Annotated[Count, Meta(description="settings that were decided by")]
    seed: int
    now: TunedRow
    found: Annotated[TunedRow, Meta(description="as `now` where nothing better was found")]
    held_back: Annotated[
        Counts,
        Meta(description="of each fifth of the time by what was found on the other four, in all"),
    ]
    front: Annotated[
        list[TunedRow], Meta(description="the fewest false alarms for each number of misses")
    ]
    lines: Annotated[list[str], Meta(description="to paste into the rule's table")]
    broken: list[str]
