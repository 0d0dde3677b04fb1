"""What can be asked of the daemon, by whom, and what is answered: one table.

MQTT, the control socket, the inputs and the command line take their commands from here. Each is a
struct; in JSON ``command`` says which: ``{"command": "set-output", "name": "lamp", "value": 1}``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from functools import partial, reduce
from operator import or_
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta, Struct

from edged.config.schema import Polygons, RuleConfig, Seconds
from edged.config.toml import shown
from edged.core import Result
from edged.errors import CommandError, EdgedError
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
    SetupAnswer,
    StatusAnswer,
    ThresholdAnswer,
)
from edged.messages.results import ClassificationMessage, classification
from edged.messages.why import WhyAnswer

log = logging.getLogger(__name__)

REQUEST_BYTES = 4096
"""A longer request is refused unread."""


class Asker(Enum):
    """Where a command comes from."""

    SIGNAL = "a signal"
    INPUT = "an input"
    MQTT = "MQTT"
    SOCKET = "the control socket"


class Command(Struct, frozen=True, kw_only=True, tag_field="command", forbid_unknown_fields=False):
    """Base of all commands."""

    id: Annotated[RequestId, Meta(description="given back in the reply")] = None


class TakeSnapshot(Command, frozen=True, kw_only=True, tag="snapshot"):
    """Take one picture and say what is in it."""


class Pause(Command, frozen=True, kw_only=True, tag="pause"):
    """Stop classifying until `resume`; outputs keep their level."""


class Resume(Command, frozen=True, kw_only=True, tag="resume"):
    """Resume classifying after `pause`."""


class Wake(Command, frozen=True, kw_only=True, tag="wake"):
    """Classify for `idle.after_s` seconds again."""


class TellStatus(Command, frozen=True, kw_only=True, tag="status"):
    """Show the state of the daemon."""


class TellMetrics(Command, frozen=True, kw_only=True, tag="metrics"):
    """Say what has been counted since the start."""


class TellWhy(Command, frozen=True, kw_only=True, tag="why"):
    """Say why an event came, and what would have changed it."""

    event: Annotated[int, Meta(ge=0, le=2**53, description="its number; 0: the newest")] = 0


class SetOutput(Command, frozen=True, kw_only=True, tag="set-output"):
    """Set an output by hand, until its rule changes or a time is over."""

    name: Annotated[str, Meta(description="the output's name")]
    value: Annotated[Score, Meta(description="0 is off, 1 is on, between is PWM or position")]
    for_s: Annotated[
        Seconds, Meta(description="then back to what its rule asks for; 0: when that changes")
    ] = 0.0


class TellSetup(Command, frozen=True, kw_only=True, tag="setup"):
    """Say what is looked for, with which model, and what is switched."""


class SetThreshold(Command, frozen=True, kw_only=True, tag="set-threshold"):
    """Change a threshold of a rule, until the configuration file says another."""

    rule: Annotated[str, Meta(description="the rule's name")]
    threshold: Annotated[Literal["enter", "exit"], Meta(description="which of the two")]
    value: Annotated[Score, Meta(description="a score from 0 to 1")]


class Reload(Command, frozen=True, kw_only=True, tag="reload"):
    """Read the configuration again and apply what needs no restart."""


class Save(Command, frozen=True, kw_only=True, tag="save"):
    """Change what is looked at or looked for, and keep that. What is refused changes nothing."""

    region: Annotated[
        tuple[Score, Score, Score, Score] | None, Meta(description="as camera.region")
    ] = None
    privacy: Polygons | None = None
    rule: Annotated[
        RuleConfig | None, Meta(description="a new one, or another for that of its name")
    ] = None
    remove_rule: Annotated[str | None, Meta(description="the name of one that was saved")] = None


class Undo(Command, frozen=True, kw_only=True, tag="undo"):
    """Take back the last change that was saved; a second time, make it again."""


class Watch(Command, frozen=True, kw_only=True, tag="watch"):
    """Follow what the daemon sees. The socket carries it out, and no request reaches the loop."""

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
    """A row of the table: who may ask for a command, and the form of its answer.

    None stands for messages without end.
    """

    askers: frozenset[Asker]
    answer: type[Answer | ClassificationMessage | WhyAnswer] | None


_ANYBODY = frozenset({Asker.INPUT, Asker.MQTT, Asker.SOCKET})

COMMANDS: Mapping[type[Command], Entry] = {
    TakeSnapshot: Entry(_ANYBODY, ClassificationMessage),
    Pause: Entry(_ANYBODY, AttentionAnswer),
    Resume: Entry(_ANYBODY, AttentionAnswer),
    Wake: Entry(_ANYBODY, AttentionAnswer),
    TellStatus: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), StatusAnswer),
    TellMetrics: Entry(frozenset({Asker.SOCKET}), MetricsAnswer),
    TellWhy: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), WhyAnswer),
    # Over MQTT an output has a topic of its own.
    SetOutput: Entry(frozenset({Asker.SOCKET}), OutputAnswer),
    TellSetup: Entry(frozenset({Asker.SOCKET}), SetupAnswer),
    SetThreshold: Entry(frozenset({Asker.MQTT, Asker.SOCKET}), ThresholdAnswer),
    Reload: Entry(frozenset({Asker.SIGNAL, Asker.MQTT, Asker.SOCKET}), ReloadAnswer),
    Save: Entry(frozenset({Asker.SOCKET}), ReloadAnswer),
    Undo: Entry(frozenset({Asker.SOCKET}), ReloadAnswer),
    Watch: Entry(frozenset({Asker.SOCKET}), None),
    Record: Entry(frozenset({Asker.SOCKET}), None),
}
"""To stop is no command: it is a flag of the mailbox, for it must never wait behind others."""


class Reply(Struct, frozen=True):
    """What became of a request: ``error`` is None where it was carried out.

    A snapshot's ``result`` is the frame that it was answered with.
    """

    error: str | None = None
    data: AnyAnswer | None = None
    result: Result | None = None

    def message(
        self,
        at: Moment,
        request: str | None,
        request_id: RequestId = None,
        *,
        top: int = 3,
        jpeg_bytes: int = 0,
    ) -> ReplyMessage:
        """As it leaves; `request` names the command, `top` is how many classes are told."""
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
    """A command, who asks for it, and where the reply goes.

    ``asked_by`` is for the log. ``reply`` is called exactly once, from any thread, and must not
    block. ``publish`` asks that a snapshot be told to all ports, too.
    """

    command: C
    asked_by: str = "edged"
    reply: Callable[[Reply], None] = _nobody_listens
    publish: bool = False


Later: TypeAlias = None
"""What a handler returns that will reply itself."""

Handlers: TypeAlias = Mapping[type[Command], Callable[[Any], "AnyAnswer | Later"]]
"""By kind of command, what carries out a request for it. CommandError and others refuse."""


def name_of(command: type[Command]) -> str:
    """The name under which it is asked for."""
    tag = command.__struct_config__.tag
    return str(tag)


SWITCH = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}


def level(text: str) -> float:
    """A value as people write it: ON, OFF or a number from 0 to 1. CommandError."""
    word = text.strip().lower()
    with suppress(ValueError):
        value = SWITCH[word] if word in SWITCH else float(word)
        if 0.0 <= value <= 1.0 and "_" not in word:
            return abs(value)
    raise CommandError("expected ON, OFF or a number from 0 to 1")


def seconds(text: str) -> float:
    """A time as people write it. CommandError."""
    with suppress(ValueError):
        value = float(text)
        if 0.0 <= value <= 86400.0:
            return value
    raise CommandError("a time is a number of seconds from 0 to 86400")


def fields_of(command: type[Command]) -> dict[str, Callable[[str], object]]:
    """What it can be told, and what reads each from text. CommandError."""
    return {
        field.name: seconds if field.name == "for_s" else _reader(field.type)
        for field in msgspec.structs.fields(command)
        if field.name not in Command.__struct_fields__
    }


def optional_fields(command: type[Command]) -> set[str]:
    """What of `fields_of` need not be told."""
    return {field.name for field in msgspec.structs.fields(command) if not field.required}


def does(command: type[Command]) -> str:
    """The first sentence of what is said of it; its name where docstrings are left out (-OO)."""
    text = command.__doc__ or name_of(command)
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def open_to(asker: Asker) -> dict[str, type[Command]]:
    """The commands that `asker` may ask for, by name, in the order of the table."""
    return {name_of(kind): kind for kind, entry in COMMANDS.items() if asker in entry.askers}


def union(kinds: Iterable[type[Command]]) -> Any:
    """The type that is any of `kinds`, for a decoder or a schema."""
    return reduce(or_, kinds)


class Parser:
    """Turns what strangers send into a command. One for each asker."""

    def __init__(self, asker: Asker) -> None:
        self._allowed = open_to(asker)
        self._decoder = msgspec.json.Decoder(union(self._allowed.values()))

    def parse(self, payload: bytes) -> Command:
        """A command from JSON, or from its bare name where it needs no more. CommandError."""
        if len(payload) > REQUEST_BYTES:
            raise CommandError(f"a request has at most {REQUEST_BYTES} bytes")
        known = f"commands: {', '.join(self._allowed)}"
        word = payload.strip().lower().decode("ascii", "replace")
        try:
            if not word.startswith(("{", "[", '"')):
                if word not in self._allowed:
                    raise CommandError(f"{shown(word)} is no command; {known}")
                return msgspec.convert({}, self._allowed[word])
            command: Command = self._decoder.decode(payload)
        except msgspec.ValidationError as error:
            raise CommandError(f"not a command: {_one_line(error)}; {known}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CommandError(f"neither JSON nor a command's name; {known}") from error
        return command


def carry_out(request: Request[Any], handlers: Handlers) -> None:
    """Do what is asked, and reply."""
    kind = type(request.command)
    try:
        answer = handlers[kind](request)
    except EdgedError as error:
        log.warning("%s, asked by %s: %s", name_of(kind), request.asked_by, error)
        request.reply(Reply(error=str(error)))
        return
    if answer is not None:
        request.reply(Reply(data=answer))


def _reader(kind: Any) -> Callable[[str], object]:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(plain) is Literal:
        return partial(_one_of, get_args(plain))
    return str if plain is str else level


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise CommandError(f"expected {' or '.join(words)}")
    return text


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
