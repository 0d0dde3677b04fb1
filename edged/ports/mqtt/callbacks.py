"""What a connection to the broker tells its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage


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
