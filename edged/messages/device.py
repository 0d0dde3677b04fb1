"""The state of the device: its health and its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edged.core import Health, OutputState
from edged.messages.message import Count, Message, Moment, Percentiles, Score, bounded
from edged.messages.results import DriftState, drift


class HealthMessage(Message, frozen=True, kw_only=True):
    """The health of the daemon."""

    version: str
    uptime_s: float
    fps: Annotated[float, Meta(description="frames decided on a second, since the last message")]
    frames: Annotated[Count, Meta(description="frames that were decided on")]
    still: Annotated[
        Count, Meta(description="those of them that showed nothing new and were not classified")
    ] = 0
    dropped: Annotated[Count, Meta(description="frames received but not used")]
    camera: str
    camera_error: str | None
    camera_failures: Annotated[
        Count, Meta(description="how often the camera has stopped delivering good frames")
    ] = 0
    camera_last_error: Annotated[
        str | None, Meta(description="why it last did, also if that is over")
    ] = None
    pins_error: Annotated[
        str | None, Meta(description="why an output or input is unavailable; the first reason")
    ] = None
    paused: bool
    idle: bool
    model: str
    model_problem: Annotated[str | None, Meta(description="why a chosen model is not in use")] = (
        None
    )
    drift: Annotated[DriftState | None, Meta(description="null: it is off")] = None
    memory_mb: Annotated[float, Meta(description="resident set size")]
    temperature_c: float | None
    throttled: bool | None
    stages_ms: Annotated[
        dict[str, Percentiles], Meta(description="by stage, over the time since the last message")
    ]
    events_dropped: Annotated[Count, Meta(description="events lost to the journal's limits")]
    messages_dropped: Annotated[
        Count,
        Meta(description="messages skipped: the network is too slow, or they are too large"),
    ]
    events_refused: Annotated[
        Count, Meta(description="events that the broker refused; the journal has them")
    ] = 0
    broker_problems: Annotated[
        tuple[str, ...], Meta(description="what the broker refuses or lacks at present")
    ] = ()


class OutputMessage(Message, frozen=True, kw_only=True):
    """An output has changed its value."""

    output: str
    on: bool
    value: Annotated[Score, Meta(description="0 is off, 1 is on, between is PWM or position")]
    error: Annotated[
        str | None,
        Meta(description="why its pin is not as it should be; value is then the last known one"),
    ] = None


class RuleThresholds(Struct, frozen=True, kw_only=True):
    """The scores at which a rule becomes active and inactive."""

    enter: Score
    exit: Score


class ThresholdsMessage(Message, frozen=True, kw_only=True):
    """The thresholds of every rule."""

    rules: dict[str, RuleThresholds]


def stages(stages_ms: Mapping[str, tuple[float, float]]) -> dict[str, Percentiles]:
    """The summaries of the stages for messages."""
    return {
        stage: Percentiles(p50=round(p50, 3), p99=round(p99, 3))
        for stage, (p50, p99) in stages_ms.items()
    }


def health(
    report: Health,
    at: Moment,
    *,
    events_dropped: int = 0,
    events_refused: int = 0,
    messages_dropped: int = 0,
    broker_problems: Sequence[str] = (),
) -> HealthMessage:
    """The daemon's health, with a port's additions."""
    return HealthMessage(
        device=at.device,
        time=at.utc(report.at_s),
        time_synced=at.synced,
        version=report.version,
        uptime_s=round(report.uptime_s, 1),
        fps=round(report.fps, 2),
        frames=report.frames,
        still=report.still,
        dropped=report.dropped,
        camera=report.camera,
        camera_error=report.camera_error,
        camera_failures=report.camera_failures,
        camera_last_error=report.camera_last_error,
        pins_error=report.pins_error,
        paused=report.paused,
        idle=report.idle,
        model=report.model,
        model_problem=report.model_problem,
        drift=drift(report.drift),
        memory_mb=round(report.memory_mb, 1),
        temperature_c=report.temperature_c,
        throttled=report.throttled,
        stages_ms=stages(report.stages_ms),
        events_dropped=events_dropped,
        messages_dropped=messages_dropped,
        events_refused=events_refused,
        broker_problems=tuple(broker_problems),
    )


def thresholds(
    rules: Mapping[str, Mapping[Literal["enter", "exit"], float]], at: Moment
) -> ThresholdsMessage:
    """The thresholds of every rule."""
    return ThresholdsMessage(
        device=at.device,
        time=at.time,
        time_synced=at.synced,
        rules={
            name: RuleThresholds(enter=rule["enter"], exit=rule["exit"])
            for name, rule in rules.items()
        },
    )


def output(report: OutputState, at: Moment) -> OutputMessage:
    """An output's value."""
    return OutputMessage(
        device=at.device,
        time=at.utc(report.at_s),
        time_synced=at.synced,
        output=report.name,
        on=report.value > 0.0,
        value=bounded(report.value),
        error=report.error,
    )
