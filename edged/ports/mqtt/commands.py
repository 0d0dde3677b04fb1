"""Commands over MQTT. Every byte here is untrusted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from edged.commands import TEACHING, Asker, Command, Reply, Request, SetOutput, name_of
from edged.config.schema import Config
from edged.config.toml import shown
from edged.errors import CommandError
from edged.mailbox import Mailbox
from edged.messages.replies import RequestId
from edged.ports.mqtt.topics import Topics
from edged.syntax import REQUEST_BYTES, Parser, level

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

log = logging.getLogger(__name__)

CORRELATION_BYTES = 1024
"""Longer correlation data is not returned."""

STALE = (
    "it waited at the broker while edged was disconnected, perhaps for longer than "
    "mqtt.command_age_s; send it again, or with a Message Expiry Interval"
)


class Return(msgspec.Struct, frozen=True):
    """The topic of a reply, and the correlation data to return."""

    topic: str
    correlation: bytes | None
    request: str | None = None
    id: RequestId = None


class Commands:
    """Turns messages into requests in the mailbox, and answers invalid ones with an error.

    ``reply`` publishes an answer; it is called from the network's thread or the loop's, and must
    not block.
    """

    def __init__(
        self,
        topics: Topics,
        mailbox: Mailbox,
        reply: Callable[[Return, Reply], None],
    ) -> None:
        self._topics = topics
        self._mailbox = mailbox
        self._reply = reply
        self._parser = Parser(Asker.MQTT)

    def reconfigure(self, config: Config) -> None:
        """Offer teaching only where it is allowed."""
        self._parser.unlisted = () if config.teach.mqtt else TEACHING

    def take(self, message: MQTTMessage) -> None:
        """One message on a subscribed topic. A retained one is stale, and ignored."""
        if message.retain:
            log.debug("a retained command is ignored: it would take effect at every connection")
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        where = self._return(message)
        try:
            if topic == self._topics.command:
                self._post(self._parser.parse(bytes(message.payload)), where)
            else:
                where = msgspec.structs.replace(where, request=name_of(SetOutput))
                self._post(self._set_output(topic, bytes(message.payload)), where)
        except CommandError as error:
            asked = where.request or "a command"
            log.warning("%s, requested by %s: %s", asked, Asker.MQTT.value, error)
            self._reply(where, Reply(error=str(error)))

    def refuse_stale(self, message: MQTTMessage) -> None:
        """Refuse a message that may have waited too long."""
        if not message.retain:
            self._reply(self._return(message), Reply(error=STALE))

    def _post(self, command: Command, where: Return) -> None:
        where = msgspec.structs.replace(where, request=name_of(type(command)), id=command.id)

        def answered(reply: Reply) -> None:
            # An output reports its new value on its own topic; only a refusal needs a reply.
            if not isinstance(command, SetOutput) or reply.error is not None:
                self._reply(where, reply)

        self._mailbox.post(Request(command, Asker.MQTT.value, answered, publish=True))

    def _set_output(self, topic: str, payload: bytes) -> SetOutput:
        # The pins know which outputs there are.
        name = self._topics.output_of(topic) or ""
        try:
            value = level(payload[:REQUEST_BYTES].decode(errors="replace"))
        except CommandError as error:
            raise CommandError(f"{shown(name)}: {error}") from error
        return SetOutput(name=name, value=value)

    def _return(self, message: MQTTMessage) -> Return:
        topic = getattr(message.properties, "ResponseTopic", None)
        correlation = getattr(message.properties, "CorrelationData", None)
        if topic is None or not self._topics.may_be_answered_at(topic):
            topic = self._topics.reply
        if correlation is not None and len(correlation) > CORRELATION_BYTES:
            correlation = None
        return Return(topic, correlation)
