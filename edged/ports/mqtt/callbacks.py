"""The callbacks of a connection to the broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage


def _nothing(*_: object) -> None:
    pass


class Callbacks(msgspec.Struct, frozen=True):
    """The callbacks of a connection, each called in a thread of the connection."""

    up: Callable[[int], None]
    """Connected; the number of unacknowledged messages that the broker takes."""

    down: Callable[[], None]
    """The connection is lost; no more callbacks of it follow."""

    acknowledged: Callable[[int], None]
    """The broker has the packet. Called under the network library's lock: only leave a note."""

    message: Callable[[MQTTMessage], None]
    """A message on a subscribed topic."""

    stale: Callable[[MQTTMessage], None] = _nothing
    """The same, for one that may have waited at the broker for longer than
    ``mqtt.command_age_s``."""

    refused: Callable[[int, bool], None] = _nothing
    """The broker refuses the packet; whether it may accept the same message later.

    Called under locks of the session and of the publisher: only leave a note.
    """

    problem: Callable[[str, str | None], None] = _nothing
    """A problem with something, such as a topic; None: it is over. Any thread."""
