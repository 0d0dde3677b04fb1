"""The seam for one kind of camera: a source that is opened, grabbed from and closed.

`edged.cameras.newest.NewestFrame` runs a source in a thread of its own, opens it again after a
failure and hands the newest frame to the loop, so a source is simple: synchronous, and free to
raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from edged.core import Pixels
from edged.errors import CameraError


class Capture(NamedTuple):
    """A frame as the source has it, not decoded yet.

    ``captured_s`` is ``time.monotonic()`` seconds of the capture (the driver's own time stamp where
    there is one). ``decode`` makes RGB pixels of the whole frame. Where it ``reduces``, it makes
    fewer of the (height, width) that it is given: `edged.imaging.resample.REDUCING_GAP` times as
    many at least, or just as many (`edged.cameras.orient.exact_px`); of None it makes all. It must
    not depend on a buffer that the device reuses: the loop's thread calls it first, and any thread
    may later, for all pixels. CameraError when the data is damaged. ``live`` is false for what was
    recorded: it may be damaged or stand still without a fault of the camera's. ``oriented`` is true
    for what was turned upright, cut and masked when it was recorded.
    """

    captured_s: float
    decode: Callable[[tuple[int, int] | None], Pixels]
    reduces: bool = False
    live: bool = True
    oriented: bool = False


class FrameMissing(CameraError):  # noqa: N818 (the camera is well)
    """No frame yet, and why: the source stays open, and the next `Source.grab` goes on waiting."""


class Source(Protocol):
    """One opened device. Used by one thread: opened, grabbed from and closed there."""

    name: str
    """What it is, for people and without credentials: ``/dev/video0 (USB Camera)``."""

    def __enter__(self) -> Source:
        """Open the device; CameraError if it is absent, busy or refuses the format."""
        ...

    def __exit__(self, *exception: object) -> None: ...

    def grab(self) -> Capture:
        """Wait for the next frame.

        CameraError when none comes within the configured time: ``first_frame_s`` for the first,
        then ``timeout_s``. FrameMissing where it is known why it takes longer.
        """
        ...


@runtime_checkable
class ScheduledSource(Source, Protocol):
    """A source that may be silent for as long as a recording is."""

    @property
    def due_s(self) -> float:
        """When its next frame is due, in ``time.monotonic()`` s; 0.0 where that is not known."""
        ...


@runtime_checkable
class ScalingSource(Source, Protocol):
    """A source whose device scales the frames itself, before they are grabbed."""

    least_px: tuple[int, int] | None
    """(height, width) that is enough of a whole frame; None wants all pixels.

    Set before it is opened and before each grab.
    """
