"""What the messages say: every payload's type, and how it is made from a report.

A monotonic time becomes a UTC date through ``wall_offset_s``, which is wall-clock seconds minus
monotonic seconds at the moment of making. `SchemaVersion` grows when a field goes or changes its
meaning; a new field does not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from edged.core import Event, Health, OutputState, Result

SchemaVersion: TypeAlias = Literal[1]
Score: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
CommandName: TypeAlias = Literal["snapshot", "pause", "resume", "wake", "status"]
COMMAND_NAMES: tuple[str, ...] = get_args(CommandName)
CommandId: TypeAlias = (
    Annotated[str, Meta(max_length=256)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
)

_encoder = msgspec.json.Encoder(enc_hook=str)


class Payload(Struct, frozen=True, kw_only=True):
    """Base of all JSON messages that leave."""

    schema: SchemaVersion = 1
    device: Annotated[str, Meta(description="the device's name in its configuration")]
    time: Annotated[datetime, Meta(description="when the message was made, UTC", tz=True)]

    def json(self) -> bytes:
        """As UTF-8 JSON."""
        return _encoder.encode(self)


class RulePayload(Struct, frozen=True, kw_only=True):
    """What a rule holds to be true."""

    active: bool
    score: Annotated[Score, Meta(description="smoothed score at the change")]
    since: Annotated[datetime, Meta(description="onset of this state, UTC", tz=True)]


class StatePayload(Payload, frozen=True, kw_only=True):
    """What is really there; made when the scene or a rule changes."""

    scene: Annotated[str, Meta(description="best active rule, best label, nothing or unknown")]
    frame: Count
    rules: dict[str, RulePayload]


class EventPayload(Payload, frozen=True, kw_only=True):
    """A rule became active or inactive."""

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
    replayed: Annotated[bool, Meta(description="sent later than made: the broker was away")] = False


class RankedPayload(Struct, frozen=True, kw_only=True):
    """One class of a prediction."""

    label: str
    index: Count
    score: Score


class ClassificationPayload(Payload, frozen=True, kw_only=True):
    """What the model said of one frame, best class first."""

    captured: Annotated[datetime, Meta(description="capture time of the frame, UTC", tz=True)]
    frame: Count
    scene: str
    results: list[RankedPayload]
    stages_ms: dict[str, float]


class StagePayload(Struct, frozen=True, kw_only=True):
    """How long a stage takes."""

    p50: Annotated[float, Meta(description="median, milliseconds")]
    p99: Annotated[float, Meta(description="99th percentile, milliseconds")]


class HealthPayload(Payload, frozen=True, kw_only=True):
    """How the daemon itself is."""

    version: str
    uptime_s: float
    fps: float
    frames: Count
    dropped: Annotated[Count, Meta(description="frames that came and were not used")]
    camera: str
    camera_error: str | None
    paused: bool
    idle: bool
    model: str
    memory_mb: Annotated[float, Meta(description="resident set size")]
    temperature_c: float | None
    throttled: bool | None
    stages_ms: dict[str, StagePayload]
    events_dropped: Annotated[Count, Meta(description="events lost to the spool's bound")]
    messages_dropped: Annotated[
        Count, Meta(description="pictures, classifications and health reports skipped")
    ]


class OutputPayload(Payload, frozen=True, kw_only=True):
    """An output has changed its value."""

    output: str
    on: bool
    value: Annotated[Score, Meta(description="0 is off, 1 is on, between is PWM or position")]


class CommandPayload(Struct, frozen=True, kw_only=True):
    """What may be asked; the only message that comes in as JSON. Other fields are ignored."""

    command: CommandName
    id: Annotated[CommandId, Meta(description="given back in the reply")] = None


class ReplyPayload(Payload, frozen=True, kw_only=True):
    """What became of a command.

    It has no field ``command``, so a reply can never be taken for one.
    """

    request: Annotated[str | None, Meta(description="the command, None if it was not understood")]
    id: CommandId = None
    ok: bool
    error: str | None = None
    data: dict[str, Any] = {}
    classification: ClassificationPayload | None = None


PAYLOADS: Mapping[str, type[Struct]] = {
    "state": StatePayload,
    "event": EventPayload,
    "classification": ClassificationPayload,
    "health": HealthPayload,
    "output": OutputPayload,
    "command": CommandPayload,
    "reply": ReplyPayload,
}
"""The name of each message in the schemas' file names, and its type."""


def utc(monotonic_s: float, wall_offset_s: float) -> datetime:
    """The date of a monotonic time."""
    return datetime.fromtimestamp(monotonic_s + wall_offset_s, timezone.utc)


def state(device: str, result: Result, now_s: float, wall_offset_s: float) -> StatePayload:
    """The scene and every rule at a frame."""
    return StatePayload(
        device=device,
        time=utc(now_s, wall_offset_s),
        scene=result.scene.name,
        frame=result.frame.number,
        rules={
            rule.rule: RulePayload(
                active=rule.active,
                score=_score(rule.score),
                since=utc(rule.since_s, wall_offset_s),
            )
            for rule in result.scene.rules
        },
    )


def event(
    device: str, made: Event, identity: str, now_s: float, wall_offset_s: float
) -> EventPayload:
    """One event, as it is sent at once."""
    return EventPayload(
        device=device,
        time=utc(now_s, wall_offset_s),
        id=identity,
        rule=made.rule,
        active=made.active,
        score=_score(made.score),
        onset=utc(made.onset_s, wall_offset_s),
        decided=utc(made.decided_s, wall_offset_s),
        frame=made.number,
    )


def replayed(payload: bytes) -> bytes:
    """An event's JSON, of this or an earlier version of edged, marked as sent late."""
    return _encoder.encode({**msgspec.json.decode(payload), "replayed": True})


def classification(
    device: str, result: Result, top: int, now_s: float, wall_offset_s: float
) -> ClassificationPayload:
    """The `top` best classes of a frame."""
    return ClassificationPayload(
        device=device,
        time=utc(now_s, wall_offset_s),
        captured=utc(result.frame.captured_s, wall_offset_s),
        frame=result.frame.number,
        scene=result.scene.name,
        results=[
            RankedPayload(label=ranked.label, index=ranked.index, score=_score(ranked.score))
            for ranked in result.prediction.top(top)
        ],
        stages_ms={
            stage: round(duration_s * 1e3, 3)
            for stage, duration_s in result.prediction.stages_s.items()
        },
    )


def health(
    device: str,
    report: Health,
    version: str,
    events_dropped: int,
    messages_dropped: int,
    wall_offset_s: float,
) -> HealthPayload:
    """The daemon's own health, with what this port has to add."""
    return HealthPayload(
        device=device,
        time=utc(report.at_s, wall_offset_s),
        version=version,
        uptime_s=round(report.uptime_s, 1),
        fps=round(report.fps, 2),
        frames=report.frames,
        dropped=report.dropped,
        camera=report.camera,
        camera_error=report.camera_error,
        paused=report.paused,
        idle=report.idle,
        model=report.model,
        memory_mb=round(report.memory_mb, 1),
        temperature_c=report.temperature_c,
        throttled=report.throttled,
        stages_ms={
            stage: StagePayload(p50=round(p50, 3), p99=round(p99, 3))
            for stage, (p50, p99) in report.stages_ms.items()
        },
        events_dropped=events_dropped,
        messages_dropped=messages_dropped,
    )


def output(device: str, report: OutputState, wall_offset_s: float) -> OutputPayload:
    """An output's value."""
    return OutputPayload(
        device=device,
        time=utc(report.at_s, wall_offset_s),
        output=report.name,
        on=report.value > 0.0,
        value=_score(report.value),
    )


def _score(score: float) -> float:
    # A mean of float32 values may leave 0..1 by one bit, and the schema holds us to the range.
    return min(1.0, max(0.0, round(float(score), 4)))
