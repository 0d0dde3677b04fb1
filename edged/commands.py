"""The daemon's commands, who may send them, and their answers: one table.

MQTT, the control socket, the inputs and the command line take their commands from here. Each is a
struct; in JSON ``command`` says which: ``{"command": "set-output", "name": "lamp", "value": 1}``.
As in `edged.config.schema`, annotations are not postponed (``from __future__``).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import reduce
from operator import or_
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
)

import msgspec
from msgspec import Meta, Struct

from edged.config.schema import Name, Polygons, RuleConfig, Seconds
from edged.core import Result
from edged.errors import EdgedError
from edged.messages.message import Moment, Score
from edged.messages.replies import (
    Answer,
    AnyAnswer,
    AttentionAnswer,
    MetricsAnswer,
    OutputAnswer,
    ReloadAnswer,
    ReplyMessage,
    RequestId,
    SavedAnswer,
    SetupAnswer,
    StatusAnswer,
    TaughtAnswer,
    TaughtPicturesAnswer,
    ThresholdAnswer,
)
from edged.messages.results import ClassificationMessage, classification
from edged.messages.review import ReviewAnswer
from edged.messages.why import WhyAnswer

log = logging.getLogger(__name__)


class Asker(Enum):
    """Where a command comes from."""

    SIGNAL = "a signal"
    INPUT = "an input"
    MQTT = "MQTT"
    SOCKET = "the control socket"


class Command(Struct, frozen=True, kw_only=True, tag_field="command", forbid_unknown_fields=False):
    """Base of all commands."""

    id: Annotated[RequestId, Meta(description="returned in the reply")] = None


class TakeSnapshot(Command, frozen=True, kw_only=True, tag="snapshot"):
    """Take one picture and classify it."""


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Stop classifying until `resume`; outputs keep their level."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Resume classifying after `pause`."""


class Wake(Command, frozen=True, kw_only=True, tag="wake"):
    """Classify for `idle.after_s` seconds again."""


class TellStatus(Command, frozen=True, kw_only=True, tag="status"):
    """Show the state of the daemon."""


class TellMetrics(Command, frozen=True, kw_only=True, tag="metrics"):
    """Show the counters since the start."""


class TellWhy(Command, frozen=True, kw_only=True, tag="why"):
    """Say why an event came, and what would have changed it."""

    event: Annotated[int, Meta(ge=0, le=2**53, description="its number; 0: the newest")] = 0


class SetOutput(Command, frozen=True, kw_only=True, tag="set-output"):
    """Set an output by hand, until its rule changes or a time has passed."""

    name: Annotated[str, Meta(description="the output's name")]
    value: Annotated[Score, Meta(description="0 is off, 1 is on, between is PWM or position")]
    for_s: Annotated[
        Seconds, Meta(description="how long, then back to its rule; 0: until the rule changes")
    ] = 0.0


class TellSetup(Command, frozen=True, kw_only=True, tag="setup"):
    """Show the rules, the model and the outputs."""


class SetThreshold(Command, frozen=True, kw_only=True, tag="set-threshold"):
    """Change a threshold of a rule, until the configuration file changes it."""

    rule: Annotated[str, Meta(description="the rule's name")]
    threshold: Annotated[Literal["enter", "exit"], Meta(description="enter or exit")]
    value: Annotated[Score, Meta(description="a score from 0 to 1")]


class Reload(Command, frozen=True, kw_only=True, tag="reload"):
    """Read the configuration again and apply what needs no restart."""


class Save(Command, frozen=True, kw_only=True, tag="save"):
    """Change and save the region, the privacy mask or a rule. A refused change has no effect."""

    region: Annotated[
        tuple[Score, Score, Score, Score] | None, Meta(description="as camera.region")
    ] = None
    privacy: Polygons | None = None
    rule: Annotated[
        RuleConfig | None, Meta(description="a new rule; it replaces a saved one with its name")
    ] = None
    remove_rule: Annotated[str | None, Meta(description="the name of a saved rule")] = None


class Undo(Command, frozen=True, kw_only=True, tag="undo"):
    """Undo the last saved change; a second time, redo it."""


class UseModel(Command, frozen=True, kw_only=True, tag="use-model"):
    """Try an installed model beside the one in use, and take it if its gates hold."""

    model: Annotated[Name, Meta(description="the model's name, as `edged models list` shows it")]


class UseFile(Command, frozen=True, kw_only=True, tag="use-file"):
    """Try a model file beside the model in use, and take it if its gates hold."""

    model: Annotated[str, Meta(description="a .tflite file that the daemon can read")]
    labels: Annotated[str, Meta(description="as model.labels")] = ""
    locale: Annotated[str, Meta(description="as model.locale")] = ""
    mean: Annotated[list[float], Meta(description="as model.mean")] = []
    std: Annotated[list[float], Meta(description="as model.std")] = []
    channels: Annotated[Literal["rgb", "bgr"], Meta(description="as model.channels")] = "rgb"
    scores: Annotated[
        Literal["auto", "probabilities", "logits"], Meta(description="as model.scores")
    ] = "auto"
    shadow_s: Annotated[Seconds | None, Meta(description="instead of swap.shadow_s")] = None


class RevertModel(Command, frozen=True, kw_only=True, tag="revert-model"):
    """Go back to the model before, or to the configuration's."""

    to: Annotated[Literal["previous", "configured"], Meta(description="which of the two")]


class Teach(Command, frozen=True, kw_only=True, tag="teach"):
    """Teach the model a label with frames of the camera."""

    label: Annotated[str, Meta(description="what the camera shows now")]
    shots: Annotated[int, Meta(ge=1, le=100, description="frames that are taken")] = 10
    every_s: Annotated[float, Meta(ge=0.0, le=60.0, description="between two of them")] = 0.5


class TellTaught(Command, frozen=True, kw_only=True, tag="taught"):
    """Show which labels were taught."""


class Forget(Command, frozen=True, kw_only=True, tag="forget"):
    """Forget a label that was taught."""

    label: Annotated[str, Meta(description="one that was taught")]


class UndoTeaching(Command, frozen=True, kw_only=True, tag="undo-teaching"):
    """Take back what was taught or forgotten last; a second time, do it again."""


class TellTaughtPictures(Command, frozen=True, kw_only=True, tag="taught-pictures"):
    """Show small pictures of what was taught as a label."""

    label: Annotated[str, Meta(description="one that was taught")]


class Review(Command, frozen=True, kw_only=True, tag="review"):
    """List the frames that the model was least sure of."""


class ReviewPicture(Command, frozen=True, kw_only=True, tag="review-picture"):
    """Show one of these frames."""

    number: Annotated[int, Meta(ge=1, le=2**31, description="as `review` lists it")]


class ReviewDecide(Command, frozen=True, kw_only=True, tag="review-decide"):
    """Say what some of these frames show, or discard them."""

    numbers: Annotated[list[int], Meta(max_length=256, description="as `review` lists them")]
    verdict: Annotated[
        Literal["accept", "correct", "discard"],
        Meta(description="the best label is right; another one is; the picture is of no use"),
    ]
    label: Annotated[str, Meta(max_length=512, description="the right one, to correct")] = ""
    by: Annotated[str, Meta(max_length=128, description="who says so, for people")] = ""
    again: Annotated[bool, Meta(description="also if others have decided otherwise")] = False


class ReviewTeach(Command, frozen=True, kw_only=True, tag="review-teach"):
    """Teach the labels that people gave to these frames."""


class Watch(Command, frozen=True, kw_only=True, tag="watch"):
    """Follow what the daemon sees. The socket carries it out; the loop gets no request."""

    rate_hz: Annotated[
        float,
        Meta(
            ge=0.0, le=1000.0, description="frames a second at most; 0: all, and each with events"
        ),
    ] = 0.0
    top: Annotated[int, Meta(ge=1, le=1000, description="classes of each frame")] = 3
    rules: Annotated[bool, Meta(description="the state of all rules with each frame")] = False
    pictures: Annotated[
        Literal["none", "events", "all"],
        Meta(description="frames whose picture is written to shared memory"),
    ] = "none"
    side_px: Annotated[
        int, Meta(ge=16, le=1920, description="a picture's longer side, at most")
    ] = 640


class Record(Command, frozen=True, kw_only=True, tag="record"):
    """Record what decisions are made from, exactly. The socket carries it out, as `Watch`."""

    features: Annotated[bool, Meta(description="with the features, where the model has them")] = (
        False
    )
    pictures: Annotated[bool, Meta(description="with each frame as a JPEG")] = False


class Entry(NamedTuple):
    """A row of the table: who may send a command, and the type of its answer.

    None means an endless stream of messages. An answer may take `within_s`.
    """

    askers: frozenset[Asker]
    answer: type[Answer | ClassificationMessage | ReviewAnswer | WhyAnswer] | None
    within_s: float = 10.0


RELOAD_S = 40.0
"""A new model may be in quarantine for 30 s."""

SWAP_S = 90000.0
"""More than the longest time in the shadow, with all that comes before."""

TEACH_S = 7200.0
"""More than the most frames at the longest interval take."""

_ANYBODY = frozenset({Asker.INPUT, Asker.MQTT, Asker.SOCKET})

COMMANDS: Mapping[type[Command], Entry] = {
    TakeSnapshot: Entry(_ANYBODY, ClassificationMessage),
    Pause: Entry(_ANYBODY, AttentionAnswer),
    Resume: Entry(_ANYBODY, AttentionAnswer),
    Wake: Entry(_ANYBODY, AttentionAnswer),
    TellStatus: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), StatusAnswer),
    TellMetrics: Entry(frozenset({Asker.SOCKET}), MetricsAnswer),
    TellWhy: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), WhyAnswer),
    # Over MQTT, each output has its own topic.
    SetOutput: Entry(frozenset({Asker.SOCKET}), OutputAnswer),
    TellSetup: Entry(frozenset({Asker.SOCKET}), SetupAnswer),
    SetThreshold: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), ThresholdAnswer),
    Reload: Entry(frozenset({Asker.SIGNAL, Asker.MQTT, Asker.SOCKET}), ReloadAnswer, RELOAD_S),
    Save: Entry(frozenset({Asker.SOCKET}), SavedAnswer),
    Undo: Entry(frozenset({Asker.SOCKET}), SavedAnswer),
    # MQTT chooses among the models that are installed, and no files.
    UseModel: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), ReloadAnswer, SWAP_S),
    UseFile: Entry(frozenset({Asker.SOCKET}), ReloadAnswer, SWAP_S),
    RevertModel: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), ReloadAnswer, 60.0),
    Teach: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), TaughtAnswer, TEACH_S),
    TellTaught: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), TaughtAnswer),
    Forget: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), TaughtAnswer),
    UndoTeaching: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), TaughtAnswer),
    # No picture leaves over MQTT in this way.
    TellTaughtPictures: Entry(frozenset({Asker.SOCKET}), TaughtPicturesAnswer),
    Review: Entry(frozenset({Asker.SOCKET}), ReviewAnswer),
    ReviewPicture: Entry(frozenset({Asker.SOCKET}), ReviewAnswer),
    ReviewDecide: Entry(frozenset({Asker.SOCKET}), ReviewAnswer),
    ReviewTeach: Entry(frozenset({Asker.SOCKET}), TaughtAnswer, TEACH_S),
    Watch: Entry(frozenset({Asker.SOCKET}), None),
    Record: Entry(frozenset({Asker.SOCKET}), None),
}
"""Stopping is not a command but a flag of the mailbox, because it must never wait behind others."""

TEACHING: frozenset[type[Command]] = frozenset({Teach, Forget, UndoTeaching})
"""Over MQTT only where teach.mqtt allows them."""


class Reply(Struct, frozen=True):
    """The outcome of a request: ``error`` is None if it was carried out.

    A snapshot's ``result`` is the frame of its answer, ``jpeg`` a picture that belongs to another.
    """

    error: str | None = None
    data: AnyAnswer | None = None
    result: Result | None = None
    jpeg: bytes = b""

    def message(
        self,
        at: Moment,
        request: str | None,
        request_id: RequestId = None,
        *,
        top: int = 3,
        jpeg_bytes: int = 0,
    ) -> ReplyMessage:
        """The reply as a message; `request` names the command, `top` is the number of classes."""
        result = self.result
        return ReplyMessage(
            device=at.device,
            time=at.time,
            time_synced=at.synced,
            request=request,
            id=request_id,
            ok=self.error is None,
            error=self.error,
            data=self.data,
            classification=None if result is None else classification(result, top, at),
            jpeg_bytes=jpeg_bytes,
        )


def _nobody_listens(reply: Reply) -> None:
    del reply


C = TypeVar("C", bound=Command)


class Request(Struct, Generic[C], frozen=True):
    """A command, who requested it, and where the reply goes.

    ``asked_by`` is for the log. ``reply`` is called exactly once, from any thread, and must not
    block. ``publish`` also sends a snapshot to all ports. ``asked_s`` is the time of the request,
    after which the exposure of a snapshot begins.
    """

    command: C
    asked_by: str = "edged"
    reply: Callable[[Reply], None] = _nobody_listens
    publish: bool = False
    asked_s: float = msgspec.field(default_factory=time.monotonic)


Later: TypeAlias = None
"""Returned by a handler that will reply itself."""

Handlers: TypeAlias = Mapping[type[Command], Callable[[Any], "AnyAnswer | Later"]]
"""The function that carries out each kind of command. CommandError and others refuse."""


def name_of(command: type[Command]) -> str:
    """The name of a command."""
    tag = command.__struct_config__.tag
    return str(tag)


def open_to(asker: Asker) -> dict[str, type[Command]]:
    """The commands that `asker` may send, by name, in the order of the table."""
    return {name_of(kind): kind for kind, entry in COMMANDS.items() if asker in entry.askers}


def union(kinds: Iterable[type[Command]]) -> Any:
    """The type that is any of `kinds`, for a decoder or a schema."""
    return reduce(or_, kinds)


def carry_out(request: Request[Any], handlers: Handlers) -> None:
    """Carry out the command, and reply."""
    kind = type(request.command)
    try:
        answer = handlers[kind](request)
    except EdgedError as error:
        log.warning("%s, requested by %s: %s", name_of(kind), request.asked_by, error)
        request.reply(Reply(error=str(error)))
        return
    if answer is not None:
        request.reply(Reply(data=answer))
