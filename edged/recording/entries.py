"""What the loop leaves for who keeps it: references, of which records are made elsewhere.

Imported by every start of the daemon, so nothing else is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from edged.core import Deciding, Ended, Event, Features, Frame, Scores
    from edged.perception.state import State


class Began(msgspec.Struct, frozen=True, gc=False):
    """What decides from here on, and what it holds; ``lost`` frames are missing before."""

    deciding: Deciding
    state: State
    lost: int


class Sight(msgspec.Struct, frozen=True, gc=False):
    """What is kept of one frame; features and the frame itself where they are wanted."""

    number: int
    captured_s: float
    scores: Scores
    events: tuple[Event, ...]
    features: Features | None = None
    frame: Frame | None = None
    known: float | None = None


class Finish(msgspec.Struct, frozen=True, gc=False):
    """Rules ended without a frame; ``seen_s`` is when the last one was captured."""

    ended: Ended
    seen_s: float


Entry: TypeAlias = "Began | Sight | Finish"
