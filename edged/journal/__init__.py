"""Events: numbered, stored on disk, and read by each consumer from its own cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edged.core import Event


class Recorder(Protocol):
    """Numbers events and stores them."""

    def record(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """The same events with their numbers. Called in the loop's thread; microseconds."""
        ...
