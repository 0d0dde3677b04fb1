"""What is answered to a command. What may be asked is in `edged.commands`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

from edged.messages.message import Count, Document, Message, Score
from edged.messages.results import ClassificationMessage, RankedClass, RuleState
from edged.messages.why import WhyAnswer

RequestId: TypeAlias = (
    Annotated[str, Meta(max_length=256)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
)


class Answer(Document, frozen=True, kw_only=True):
    """Base of what a command answers with."""


class AttentionAnswer(Answer, frozen=True, kw_only=True):
    """Whether frames are classified now."""

    paused: bool
    idle: bool


class OutputAnswer(Answer, frozen=True, kw_only=True):
    """An output was set by hand."""

    name: str
    value: float


class ThresholdAnswer(Answer, frozen=True, kw_only=True):
    """A rule's thresholds as they are from the next frame on."""

    rule: str
    enter: float
    exit: float


class ReloadAnswer(Answer, frozen=True, kw_only=True):
    """The configuration was read again, and what could be taken over was."""

    model: str
    restart_for: Annotated[
        list[str], Meta(description="changed options that hold only after a restart")
    ]


class StatusAnswer(Answer, frozen=True, kw_only=True):
    """How the daemon is at this moment."""

    version: str = ""
    uptime_s: float = 0.0
    temperature_c: float | None = None
    scene: str | None
    results: Annotated[
        tuple[RankedClass, ...],
        Meta(description="best classes of the newest frame, if there is one"),
    ] = ()
    rules: dict[str, RuleState]
    outputs: Annotated[dict[str, float], Meta(description="the value that each output has")]
    camera: str
    camera_error: str | None
    pins_error: Annotated[
        str | None, Meta(description="why an output or input is not there: the first one's reason")
    ] = None
    model: str
    frames: Count
    dropped: Count
    fps: Annotated[float, Meta(description="frames classified a second, in the last seconds")] = 0.0
    paused: bool
    idle: bool
    broker: Annotated[str | None, Meta(description="which one and whether it is reached")] = None
    last_event: Annotated[Count, Meta(description="number of the newest event")] = 0
    broker_problems: Annotated[
        tuple[str, ...], Meta(description="what the broker refuses or lacks at present")
    ] = ()
    by_hand: Annotated[
        dict[str, float | None],
        Meta(description="outputs set by hand, and the seconds until that ends; null: with a rule"),
    ] = field(default_factory=dict)
    webhook_problems: Annotated[
        tuple[str, ...], Meta(description="which webhooks take no events, or refused some")
    ] = ()


class RuleSetup(Struct, frozen=True, kw_only=True):
    """What a rule looks for, and when it changes; defaults filled in."""

    labels: list[str]
    combine: str
    enter: Score
    exit: Score
    saved: Annotated[bool, Meta(description="made from the page")] = False


class OutputSetup(Struct, frozen=True, kw_only=True):
    """What an output is, and what drives it."""

    device: str
    rule: Annotated[str, Meta(description="empty: none")]
    action: str


class SetupAnswer(Answer, frozen=True, kw_only=True):
    """What the daemon runs with: rules, outputs and the labels that rules can name."""

    rules: dict[str, RuleSetup]
    outputs: dict[str, OutputSetup]
    labels: Annotated[list[str], Meta(description="of the model, in the order of its classes")]
    region: Annotated[list[Score], Meta(description="x, y, width, height of the upright picture")]
    privacy: Annotated[
        list[list[tuple[Score, Score]]],
        Meta(description="polygons that are hidden; two points are a rectangle's corners"),
    ]
    undo: Annotated[bool, Meta(description="whether a change can be taken back")]


class Histogram(Struct, frozen=True):
    """Durations since the start."""

    counts: Annotated[
        list[Count], Meta(description="by bound, those up to it and above the one before; the rest")
    ]
    sum_s: float


class JournalMetrics(Struct, frozen=True, kw_only=True):
    """How events are kept."""

    last: Annotated[Count, Meta(description="the newest number")]
    waiting: Annotated[Count, Meta(description="events that are not on disk yet")]
    error: Annotated[str | None, Meta(description="why the disk takes none")] = None


class MqttMetrics(Struct, frozen=True, kw_only=True):
    """How messages reach the broker, counted since the start."""

    connected: bool
    connections: Count
    events_dropped: Annotated[Count, Meta(description="events lost to the journal's bounds")]
    events_refused: Annotated[Count, Meta(description="events that the broker refused")]
    messages_dropped: Annotated[Count, Meta(description="messages skipped")]


class MetricsAnswer(Answer, frozen=True, kw_only=True):
    """What the daemon has counted since its start, and its state."""

    version: str
    uptime_s: float
    memory_mb: float
    temperature_c: float | None
    throttled: bool | None
    events: Annotated[dict[str, Count], Meta(description="by rule")]
    bounds_s: Annotated[list[float], Meta(description="upper bounds of the histograms")]
    stages: Annotated[dict[str, Histogram], Meta(description="of each stage of a frame")]
    latency: Annotated[Histogram, Meta(description="from the capture of a frame to its decision")]
    journal: JournalMetrics
    mqtt: Annotated[MqttMetrics | None, Meta(description="null: MQTT is off")]
    status: StatusAnswer


AnyAnswer: TypeAlias = (
    AttentionAnswer
    | OutputAnswer
    | ReloadAnswer
    | SetupAnswer
    | StatusAnswer
    | ThresholdAnswer
    | MetricsAnswer
    | WhyAnswer
)


class ReplyMessage(Message, frozen=True, kw_only=True):
    """What became of a command.

    It has no field ``command``, so a reply can never be taken for one.
    """

    request: Annotated[str | None, Meta(description="the command, null if it was not understood")]
    id: Annotated[RequestId, Meta(description="the request's own")] = None
    ok: bool
    error: str | None = None
    data: AnyAnswer | None = None
    classification: Annotated[
        ClassificationMessage | None, Meta(description="of a snapshot: what is on it")
    ] = None
    jpeg_bytes: Annotated[
        Count, Meta(description="bytes of JPEG that follow, on the control socket alone")
    ] = 0
