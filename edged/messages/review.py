"""The frames that the model was least sure of, and what people said of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from edged.config.schema import ReviewConfig
from edged.messages.message import Count, Document, Score, bounded

if TYPE_CHECKING:
    from edged.review.folder import Entry


Because: TypeAlias = Literal["margin", "unknown", "taught"]
"""Two labels score nearly alike; it looks like nothing that the model was made for; it is about as
near to what was taught as not."""


class Scored(Struct, frozen=True, kw_only=True):
    """A label and its score at a frame."""

    label: str
    score: Score


class KeptPicture(Struct, frozen=True, kw_only=True):
    """A frame that is kept."""

    number: Annotated[Count, Meta(description="its name for people; never used twice")]
    device: str
    time: Annotated[datetime, Meta(description="when it was captured, UTC", tz=True)]
    time_synced: bool
    model: str
    model_sha256: Annotated[str, Meta(description="of the model's file; empty: it was gone")]
    results: Annotated[list[Scored], Meta(description="best classes, best first")]
    doubt: Annotated[Score, Meta(description="how unsure the model was: 1 is most")]
    because: Annotated[
        Because,
        Meta(
            description="two labels scored nearly alike; it looked unknown to the model; it was "
            "about as near to what was taught as not"
        ),
    ]
    known: Annotated[
        Score | None, Meta(description="the share of known pictures that look less known")
    ]
    taught: Annotated[
        Score | None, Meta(description="how probable it is that it shows something taught")
    ]
    verdict: Annotated[
        Literal["accepted", "corrected"] | None, Meta(description="null: nobody has decided yet")
    ]
    label: Annotated[str | None, Meta(description="what it shows, as people said")]
    decided_by: str | None
    decided: Annotated[datetime | None, Meta(description="when, UTC")]
    bytes: Count


class ReviewAnswer(Document, frozen=True, kw_only=True):
    """The kept frames, oldest first."""

    pictures: list[KeptPicture]
    damaged: Annotated[Count, Meta(description="files that cannot be read; edged removes them")]
    folder: Annotated[str, Meta(description="each picture is NUMBER.jpg in it")]
    enabled: Annotated[bool, Meta(description="whether frames are kept at present")]
    max_pictures: Count
    max_bytes: Count
    max_age_s: float
    every_s: float


def answer(
    folder: Path, config: ReviewConfig, entries: Sequence[Entry], damaged: int
) -> ReviewAnswer:
    """`entries` of a folder, for who asks."""
    return ReviewAnswer(
        pictures=[_picture(entry) for entry in entries],
        damaged=damaged,
        folder=str(folder),
        enabled=config.enabled,
        max_pictures=config.max_pictures,
        max_bytes=config.max_bytes,
        max_age_s=config.max_age_s,
        every_s=config.every_s,
    )


def _picture(entry: Entry) -> KeptPicture:
    kept, decision = entry.kept, entry.kept.decision
    return KeptPicture(
        number=entry.number,
        device=kept.device,
        time=_utc(kept.captured_s),
        time_synced=kept.synced,
        model=kept.model,
        model_sha256=kept.sha256,
        results=[Scored(label=label, score=bounded(score)) for label, score in kept.best],
        doubt=bounded(kept.doubt),
        because=kept.because,
        known=None if kept.known is None else bounded(kept.known),
        taught=None if kept.taught is None else bounded(kept.taught),
        verdict=decision.verdict if decision else None,
        label=decision.label if decision else None,
        decided_by=decision.by if decision else None,
        decided=_utc(decision.at_s) if decision else None,
        bytes=entry.size_bytes,
    )


def _utc(time_s: float) -> datetime:
    return datetime.fromtimestamp(time_s, timezone.utc)
