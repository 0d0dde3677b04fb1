"""The answers to commands. The commands are in `edged.commands`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

from edged.messages.message import Count, Document, Message, Score
from edged.messages.results import ClassificationMessage, DriftState, RankedClass, RuleState
from edged.messages.review import ReviewAnswer
from edged.messages.why import WhyAnswer

RequestId: TypeAlias = (
    Annotated[str, Meta(max_length=256)] | Annotated[int, Meta(ge=-(2**53), le=2**53)] | None
)


class Answer(Document, frozen=True, kw_only=True):
    """Base of all answers."""


class AttentionAnswer(Answer, frozen=True, kw_only=True):
    """Whether frames are classified now."""

    paused: bool
    idle: bool


class OutputAnswer(Answer, frozen=True, kw_only=True):
    """An output was set by hand."""

    name: str
    value: float


class ThresholdAnswer(Answer, frozen=True, kw_only=True):
    """A rule's thresholds from the next frame on."""

    rule: str
    enter: float
    exit: float


class ReloadAnswer(Answer, frozen=True, kw_only=True):
    """The configuration was read again, and the changes that need no restart were applied."""

    model: str
    restart_for: Annotated[
        list[str], Meta(description="changed options that hold only after a restart")
    ]


class SavedAnswer(ReloadAnswer, frozen=True, kw_only=True):
    """As after a reload, of what was saved or taken back."""

    changed: Annotated[
        list[str],
        Meta(description="what is saved now and was not, or no longer, or differently"),
    ]


class TaughtAnswer(Answer, frozen=True, kw_only=True):
    """What is taught now; the labels are the model's from the next frame on."""

    labels: Annotated[dict[str, Count], Meta(description="pictures of each taught label")]
    remarks: Annotated[
        list[str], Meta(description="what could be better about what was taught, for people")
    ]


class TaughtPicture(Struct, frozen=True, kw_only=True):
    """A picture that was taught."""

    source: Annotated[str, Meta(description="the file or the camera that it came from")]
    time: Annotated[datetime, Meta(description="when it was taught, UTC", tz=True)]
    jpeg: Annotated[bytes, Meta(description="in base64, at most 96 pixels wide and high")]


class TaughtPicturesAnswer(Answer, frozen=True, kw_only=True):
    """What was taught as a label."""

    label: str
    pictures: Annotated[list[TaughtPicture], Meta(description="the newest 24, newest first")]


class StatusAnswer(Answer, frozen=True, kw_only=True):
    """The state of the daemon."""

    version: str = ""
    uptime_s: float = 0.0
    temperature_c: float | None = None
    scene: str | None
    results: Annotated[
        tuple[RankedClass, ...],
        Meta(description="best classes of the newest frame, if any"),
    ] = ()
    rules: dict[str, RuleState]
    outputs: Annotated[dict[str, float], Meta(description="the value that each output has")]
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
    model: str
    frames: Annotated[Count, Meta(description="frames that were decided on")]
    still: Annotated[
        Count, Meta(description="those of them that showed nothing new and were not classified")
    ] = 0
    model_chosen: Annotated[bool, Meta(description="by command, and not the configuration's")] = (
        False
    )
    model_problem: Annotated[str | None, Meta(description="why a chosen model is not in use")] = (
        None
    )
    drift: Annotated[DriftState | None, Meta(description="null: it is off")] = None
    dropped: Count
    fps: Annotated[float, Meta(description="frames decided on a second, in the last seconds")] = 0.0
    paused: bool
    idle: bool
    broker: Annotated[str | None, Meta(description="its address, and whether connected")] = None
    broker_error: Annotated[str | None, Meta(description="why it is not connected")] = None
    last_event: Annotated[Count, Meta(description="number of the newest event")] = 0
    broker_problems: Annotated[
        tuple[str, ...], Meta(description="what the broker refuses or lacks at present")
    ] = ()
    by_hand: Annotated[
        dict[str, float | None],
        Meta(description="outputs set by hand, and the seconds until that ends; null: no limit"),
    ] = field(default_factory=dict)
    webhook_problems: Annotated[
        tuple[str, ...], Meta(description="webhooks that accept no events, or refused some")
    ] = ()


class RuleSetup(Struct, frozen=True, kw_only=True):
    """The labels and thresholds of a rule, defaults filled in."""

    labels: list[str]
    combine: str
    enter: Score
    exit: Score
    saved: Annotated[bool, Meta(description="created on the web page")] = False


class OutputSetup(Struct, frozen=True, kw_only=True):
    """The device of an output, and what controls it."""

    device: str
    rule: Annotated[str, Meta(description="empty: none")]
    action: str


class SetupAnswer(Answer, frozen=True, kw_only=True):
    """The daemon's rules and outputs, and the labels that rules can name."""

    rules: dict[str, RuleSetup]
    outputs: dict[str, OutputSetup]
    labels: Annotated[list[str], Meta(description="of the model, in the order of its classes")]
    region: Annotated[list[Score], Meta(description="x, y, width, height of the upright picture")]
    privacy: Annotated[
        list[list[tuple[Score, Score]]],
        Meta(description="polygons that are hidden; two points are a rectangle's corners"),
    ]
    undo: Annotated[bool, Meta(description="whether a change can be undone")]
    taught_in: Annotated[
        str | None, Meta(description="the folder or file of taught labels; null: they are off")
    ] = None
    normal_in: Annotated[
        str | None, Meta(description="the file of the normal view; null: nothing is kept on disk")
    ] = None


class Histogram(Struct, frozen=True):
    """Durations since the start."""

    counts: Annotated[
        list[Count], Meta(description="by bound, those up to it and above the one before; the rest")
    ]
    sum_s: float


class JournalMetrics(Struct, frozen=True, kw_only=True):
    """The state of the journal."""

    last: Annotated[Count, Meta(description="the newest number")]
    waiting: Annotated[Count, Meta(description="events that are not on disk yet")]
    error: Annotated[str | None, Meta(description="why the disk stores none")] = None


class MqttMetrics(Struct, frozen=True, kw_only=True):
    """The state of MQTT, counted since the start."""

    connected: bool
    connections: Count
    events_dropped: Annotated[Count, Meta(description="events lost to the journal's limits")]
    events_refused: Annotated[Count, Meta(description="events that the broker refused")]
    messages_dropped: Annotated[Count, Meta(description="messages skipped")]


class MetricsAnswer(Answer, frozen=True, kw_only=True):
    """The daemon's counters since its start, and its state."""

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
    | SavedAnswer
    | ReviewAnswer
    | SetupAnswer
    | StatusAnswer
    | TaughtAnswer
    | TaughtPicturesAnswer
    | ThresholdAnswer
    | MetricsAnswer
    | WhyAnswer
)


class ReplyMessage(Message, frozen=True, kw_only=True):
    """The outcome of a command.

    It has no field ``command``, so a reply is never mistaken for one.
    """

    request: Annotated[str | None, Meta(description="the command, null if it was not understood")]
    id: Annotated[RequestId, Meta(description="the request's own")] = None
    ok: bool
    error: str | None = None
    data: AnyAnswer | None = None
    classification: Annotated[
        ClassificationMessage | None, Meta(description="of a snapshot: its classification")
    ] = None
    jpeg_bytes: Annotated[
        Count, Meta(description="bytes of JPEG that follow, on the control socket alone")
    ] = 0
