"""What may be asked over MQTT. Every byte here comes from strangers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from edged.errors import CommandError
from edged.mailbox import Answer, Command, Mailbox
from edged.ports.mqtt.payloads import COMMAND_NAMES, CommandId, CommandPayload
from edged.ports.mqtt.topics import Topics

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

log = logging.getLogger(__name__)

COMMAND_BYTES = 4096
"""A longer command is refused unread."""

CORRELATION_BYTES = 1024
"""Longer correlation data is not given back."""

SWITCH = {"on": 1.0, "off": 0.0, "true": 1.0, "false": 0.0}

_decoder = msgspec.json.Decoder(CommandPayload)


class Asker(msgspec.Struct, frozen=True):
    """Who waits for a reply: where, and what must come back with it."""

    topic: str
    correlation: bytes | None
    request: str | None = None
    id: CommandId = None


class Commands:
    """Turns messages into commands in the mailbox, and answers what it cannot turn.

    ``reply`` publishes an answer; it is called from the network's thread or the loop's, and must
    not block.
    """

    def __init__(
        self,
        topics: Topics,
        outputs: frozenset[str],
        mailbox: Mailbox,
        reply: Callable[[Asker, Answer], None],
    ) -> None:
        self._topics = topics
        self._outputs = outputs
        self._mailbox = mailbox
        self._reply = reply

    def take(self, message: MQTTMessage) -> None:
        """One message on a subscribed topic. A retained one is stale, and ignored."""
        if message.retain:
            log.debug("a retained command is ignored: it would act at every connection")
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        asker = self._asker(message)
        try:
            if topic == self._topics.command:
                command = _command(bytes(message.payload))
                asker = Asker(asker.topic, asker.correlation, command.command, command.id)
                self._post(command.command, {"publish": True}, asker)
            else:
                asker = Asker(asker.topic, asker.correlation, "set-output")
                name = self._topics.output_of(topic)
                if name not in self._outputs:
                    raise CommandError("there is no output of this name")
                value = _value(bytes(message.payload))
                self._post("set-output", {"name": name, "value": value}, asker)
        except CommandError as error:
            self._reply(asker, Answer(error=str(error)))

    def _post(self, name: str, arguments: dict[str, object], asker: Asker) -> None:
        def answered(answer: Answer) -> None:
            # An output that was set says so on its own topic; only a refusal needs a reply.
            if name != "set-output" or answer.error is not None:
                self._reply(asker, answer)

        self._mailbox.post(
            Command(name, arguments if name in ("snapshot", "set-output") else {}, "MQTT", answered)
        )

    def _asker(self, message: MQTTMessage) -> Asker:
        topic = getattr(message.properties, "ResponseTopic", None)
        correlation = getattr(message.properties, "CorrelationData", None)
        if topic is None or not self._topics.may_be_answered_at(topic):
            topic = self._topics.reply
        if correlation is not None and len(correlation) > CORRELATION_BYTES:
            correlation = None
        return Asker(topic, correlation)


def _command(payload: bytes) -> CommandPayload:
    """A command from JSON or from a bare word. CommandError."""
    if len(payload) > COMMAND_BYTES:
        raise CommandError(f"a command has at most {COMMAND_BYTES} bytes")
    word = payload.strip().lower().decode("ascii", "replace")
    if word in COMMAND_NAMES:
        return CommandPayload(command=word)  # type: ignore[arg-type]
    try:
        return _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise CommandError(f"not a command: {_one_line(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(
            f"neither JSON nor one of {', '.join(COMMAND_NAMES)}: {_one_line(error)}"
        ) from error


def _value(payload: bytes) -> float:
    """An output's value: ON, OFF or a number from 0 to 1. CommandError."""
    word = payload[:16].strip().lower().decode("ascii", "replace")
    if len(payload) <= 16:
        if word in SWITCH:
            return SWITCH[word]
        try:
            value = float(word)
        except ValueError:
            value = -1.0
        if 0.0 <= value <= 1.0:
            return value
    raise CommandError("an output is set with ON, OFF or a number from 0 to 1")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
