"""What a connection to the broker tells its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage


def _nothing(*_: object) -> None:
    pass


class Callbacks(msgspec.Struct, frozen=True):
    """What the connection tells its owner, each from a thread of the connection's."""

    up: Callable[[int], None]
    """Connected; the number of unacknowledged messages that the broker takes."""

    down: Callable[[], None]
    """The connection is lost; nothing of it comes any more."""

    acknowledged: Callable[[int], None]
    """The broker has the packet. Called under the network library's lock: leave a note only."""

    message: Callable[[MQTTMessage], None]
    """Something came on a subscribed topic."""

    stale: Callable[[MQTTMessage], None] = _nothing
    """The same, of what may have waited at the broker for longer than ``mqtt.command_age_s``."""

    refused: Callable[[int, bool], None] = _nothing
    """The broker does not take the packet; whether it may take the same message later.

    Called under locks of the session and of who publishes: leave a note only.
    """

    problem: Callable[[str, str | None], None] = _nothing
    """What is wrong about something, such as a topic; None: nothing any more. Any thread."""
