"""The broker's limits and features, and its reasons for refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edged.errors import PortError
from edged.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

ENDED = "the broker or the network closed it"
"""The reason of a connection that ended without one."""

SIZE = "size"

ANY_NUMBER = 65535
"""The default of MQTT 5 if the broker names no Receive Maximum."""

WORDS = 200
"""The broker's own text is cut to this many characters."""

NOT_AUTHORIZED = 0x87
SESSION_TAKEN_OVER = 0x8E
PACKET_IDENTIFIER_IN_USE = 0x91
QUOTA_EXCEEDED = 0x97


class TooLargeError(PortError):
    """A message is larger than the broker accepts, and will never be sent."""


class Limits(msgspec.Struct, frozen=True):
    """A broker's limits, from its CONNACK (MQTT 5, 3.2.2.3); 3.1.1 has none.

    ``packet_bytes`` is the size of the largest packet, None without a limit. ``keepalive_s``
    replaces ours, 0 is never; None keeps ours.
    """

    receive_maximum: int = ANY_NUMBER
    packet_bytes: int | None = None
    keepalive_s: int | None = None
    qos: int = 1
    retain: bool = True
    wildcards: bool = True
    subscription_identifiers: bool = True

    def lacks(self, keepalive_s: int) -> Iterator[tuple[str, str | None]]:
        """For each feature that edged uses, the consequence of its lack; None: available."""
        late = self.keepalive_s is not None and not 0 < self.keepalive_s <= keepalive_s
        yield (
            "keep alive",
            f"it sets keep alive to {self.keepalive_s} s, not the {keepalive_s} s of "
            "mqtt.keepalive_s: a dead connection is detected only then (0: never)"
            if late
            else None,
        )
        yield (
            "QoS",
            "it supports only QoS 0: lost messages are not sent again" if self.qos < 1 else None,
        )
        yield (
            "retain",
            "it does not support retained messages: later subscribers learn about availability, "
            "state and outputs when they change"
            if not self.retain
            else None,
        )
        yield (
            "subscription identifiers",
            "it does not support subscription identifiers: commands that wait there while edged is "
            "disconnected are discarded"
            if not self.subscription_identifiers
            else None,
        )


def limits_of(answer: Properties | None) -> Limits:
    """The limits in the properties of a CONNACK; None for no properties."""

    def said(name: str, otherwise: int) -> int:
        return int(getattr(answer, name, otherwise))

    return Limits(
        receive_maximum=max(1, said("ReceiveMaximum", ANY_NUMBER)),
        packet_bytes=said("MaximumPacketSize", 0) or None,
        keepalive_s=getattr(answer, "ServerKeepAlive", None),
        qos=min(1, said("MaximumQoS", 1)),
        retain=bool(said("RetainAvailable", True)),
        wildcards=bool(said("WildcardSubscriptionAvailable", True)),
        subscription_identifiers=bool(said("SubscriptionIdentifierAvailable", True)),
    )


def publish_bytes(topic: str, payload: bytes, qos: int, properties: bytes | None) -> int:
    """The size of a PUBLISH packet; `properties` are packed with their length, None in 3.1.1."""
    rest = 2 + len(topic.encode()) + 2 * (qos > 0) + len(properties or b"") + len(payload)
    length = 1 + (rest >= 1 << 7) + (rest >= 1 << 14) + (rest >= 1 << 21)
    return 1 + length + rest


def reason(code: ReasonCode, more: Properties | None) -> str:
    """A reason code's name, with the broker's own text."""
    words = [getattr(more, "ReasonString", "")]
    if server := getattr(more, "ServerReference", ""):
        words.append(f"it refers to {server}; set mqtt.host")
    added = printable("; ".join(word for word in words if word))[:WORDS]
    return f"{code.getName()} ({added})" if added else code.getName()


def helps_to_wait(code: ReasonCode) -> bool:
    """Whether the same message may be accepted later."""
    return code.value in (QUOTA_EXCEEDED, PACKET_IDENTIFIER_IN_USE)


def refusal(about: str, code: ReasonCode, more: Properties | None) -> str:
    """The problem text for a topic, or another thing, that the broker refuses."""
    advice = ""
    if code.value == NOT_AUTHORIZED:
        advice = "; check its access list"
    elif helps_to_wait(code):
        advice = "; events and subscriptions are retried"
    return f"it refuses {about}: {reason(code, more)}{advice}"
