"""What is answered to a command. What may be asked is in `edged.commands`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from edged.messages.message import Count, Document, Message
from edged.messages.results import ClassificationMessage, RankedClass, RuleState

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
    webhook_problems: Annotated[
        tuple[str, ...], Meta(description="which webhooks take no events, or refused some")
    ] = ()


AnyAnswer: TypeAlias = (
    AttentionAnswer | OutputAnswer | ReloadAnswer | StatusAnswer | ThresholdAnswer
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
