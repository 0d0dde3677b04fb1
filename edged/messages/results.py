"""The results of a frame: the model's classes, the scene, and the state of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from edged.core import Cause, Drift, Prediction, Result, Scene
from edged.messages.message import Count, Document, Message, Milliseconds, Moment, Score, bounded


class RankedClass(Struct, frozen=True, kw_only=True):
    """One class of a prediction."""

    label: str
    index: Count
    score: Score


class RuleState(Struct, frozen=True, kw_only=True):
    """The state of a rule."""

    active: bool
    score: Annotated[Score, Meta(description="smoothed score")]
    since: Annotated[datetime, Meta(description="onset of this state, UTC", tz=True)]


class DriftState(Struct, frozen=True, kw_only=True):
    """How far the pictures are from what is usual before the camera, and from those of training."""

    score: Annotated[Score, Meta(description="how much speaks for the likeliest cause")]
    cause: Annotated[Cause | None, Meta(description="what happened; null: all is as usual")]
    skew: Annotated[
        dict[str, Score],
        Meta(
            description="by statistic, the share of frames of the last minutes that lie outside of "
            "what 98 % of the model's training pictures have"
        ),
    ]


class StateMessage(Message, frozen=True, kw_only=True):
    """The scene and the rules; sent when one of them changes."""

    scene: Annotated[
        str | None,
        Meta(description="best active rule, best label, nothing or unknown; null: undecided yet"),
    ]
    frame: Count
    rules: dict[str, RuleState]
    reason: Annotated[str | None, Meta(description="why nothing is known, for people")] = None


class ClassificationMessage(Message, frozen=True, kw_only=True):
    """The classes of one frame, best first."""

    captured: Annotated[datetime, Meta(description="capture time of the frame, UTC", tz=True)]
    frame: Count
    scene: str | None
    scene_score: Annotated[
        Score | None, Meta(description="smoothed score of the scene's rule, else of the best label")
    ] = None
    known: Annotated[
        Score | None,
        Meta(description="share of pictures of known things that look less known; null: untold"),
    ] = None
    model: str
    still: Annotated[
        bool, Meta(description="the frame shows nothing new: the results are an earlier frame's")
    ] = False
    results: list[RankedClass]
    stages_ms: Milliseconds


class SharedMessage(Message, frozen=True, kw_only=True):
    """A picture in the shared memory that came with the reply to `watch`."""

    captured: Annotated[datetime, Meta(description="capture time of the frame, UTC", tz=True)]
    frame: Count
    sequence: Annotated[Count, Meta(description="of the picture; its slot is this modulo 4")]
    height_px: Count
    width_px: Count


class PictureMessage(Document, frozen=True, kw_only=True):
    """The classes of a picture in a file, or why it could not be read."""

    path: str
    model: str
    results: list[RankedClass]
    stages_ms: Milliseconds
    error: str | None = None


class FoundMessage(Document, frozen=True, kw_only=True):
    """A picture that a search has found, or why it could not be read."""

    path: str
    model: str
    score: Annotated[
        Score, Meta(description="sum over the matching labels, or similarity of the features")
    ]
    label: Annotated[str | None, Meta(description="the best of the matching labels")] = None
    error: str | None = None


def ranked(prediction: Prediction, count: int) -> list[RankedClass]:
    """The `count` best classes, best first."""
    return [
        RankedClass(label=best.label, index=best.index, score=bounded(best.score))
        for best in prediction.top(count)
    ]


def milliseconds(stages_s: Mapping[str, float]) -> dict[str, float]:
    """Durations for messages."""
    return {stage: round(duration_s * 1e3, 3) for stage, duration_s in stages_s.items()}


def rules(scene: Scene, at: Moment) -> dict[str, RuleState]:
    """The state of every rule."""
    return {
        rule.rule: RuleState(
            active=rule.active, score=bounded(rule.score), since=at.utc(rule.since_s)
        )
        for rule in scene.rules
    }


def drift(told: Drift | None) -> DriftState | None:
    """The state of the pictures; None where it is off."""
    if told is None:
        return None
    skew = {name: bounded(share) for name, share in told.skew.items()}
    return DriftState(score=bounded(told.score), cause=told.cause, skew=skew)


def state(scene: Scene, frame: int, at: Moment) -> StateMessage:
    """The scene and every rule at the frame of this number."""
    return StateMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        scene=scene.name,
        frame=frame,
        rules=rules(scene, at),
    )


def undecided(reason: str | None, at: Moment) -> StateMessage:
    """The state before the first frame with new labels or rules, and without frames."""
    return StateMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        scene=None,
        frame=0,
        rules={},
        reason=reason,
    )


def shared(result: Result, sequence: int, size_px: tuple[int, int], at: Moment) -> SharedMessage:
    """The place of a frame's picture; its size is (height, width)."""
    return SharedMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        captured=at.utc(result.frame.captured_s),
        frame=result.frame.number,
        sequence=sequence,
        height_px=size_px[0],
        width_px=size_px[1],
    )


def classification(result: Result, top: int, at: Moment) -> ClassificationMessage:
    """The `top` best classes of a frame."""
    return ClassificationMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        captured=at.utc(result.frame.captured_s),
        frame=result.frame.number,
        scene=result.scene.name,
        scene_score=None if result.scene.score is None else bounded(result.scene.score),
        known=None if result.prediction.known is None else bounded(result.prediction.known),
        model=result.prediction.model,
        still=result.prediction.still,
        results=ranked(result.prediction, top),
        stages_ms=milliseconds(result.stages_s),
    )
