"""The interface of one kind of camera: a source that is opened, grabbed from and closed.

`edged.cameras.newest.NewestFrame` runs a source in a thread of its own, reopens it after a failure
and passes the newest frame to the loop, so a source is simple: synchronous, and it may raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from edged.errors import CameraError

if TYPE_CHECKING:
    from edged.cameras.raw import RawFrame
    from edged.core import Pixels


class Capture(NamedTuple):
    """A frame as the source delivers it, not decoded yet.

    ``captured_s`` is ``time.monotonic()`` seconds of the capture (the driver's own time stamp, if
    any). ``decode`` makes RGB pixels of the whole frame. If it ``reduces``, it makes fewer for the
    given (height, width): at least `edged.imaging.resample.REDUCING_GAP` times that size, or
    exactly that (`edged.cameras.orient.exact_px`); for None it makes all. It must not depend on a
    buffer that the device reuses: the loop's thread calls it first, and any thread may later, for
    all pixels. CameraError when the data is damaged. ``live`` is false for a recording: it may be
    damaged or frozen without a fault of the camera. ``exposure_s`` is how long before
    ``captured_s`` the exposure began; None if the camera does not report it. ``doubt`` says what is
    odd about a frame that can be used. ``oriented`` is true for a frame that was turned upright,
    cut and masked when it was recorded. ``raw`` is what an uncompressed frame is decoded from.
    """

    captured_s: float
    decode: Callable[[tuple[int, int] | None], Pixels]
    reduces: bool = False
    live: bool = True
    exposure_s: float | None = None
    doubt: str | None = None
    oriented: bool = False
    raw: RawFrame | None = None


class FrameMissing(CameraError):  # noqa: N818 (the camera is well)
    """No frame yet, and why: the source stays open, and the next `Source.grab` waits on."""


AGAIN = "camera.loop = true plays it again"
"""What to do where a source has ended."""


class SourceEnded(CameraError):  # noqa: N818 (an end is no error, as with StopIteration)
    """A finite source has delivered all that it has: do not open it again."""


class DecodePending(CameraError):  # noqa: N818 (it is being decoded)
    """The pixels of a capture take long: ask for the same again, and wait on."""


class SourceDied(CameraError):  # noqa: N818 (as above)
    """What ran the source has ended after a good while: it may be opened again at once."""


class Source(Protocol):
    """One opened device. Used by one thread: opened, grabbed from and closed there."""

    name: str
    """Its name for people, without credentials: ``/dev/video0 (USB Camera)``."""

    def __enter__(self) -> Source:
        """Open the device; CameraError if it is absent, busy or refuses the format."""
        ...

    def __exit__(self, *exception: object) -> None: ...

    def grab(self) -> Capture:
        """Wait for the next frame.

        CameraError when none comes within the configured time: ``first_frame_s`` for the first,
        then ``timeout_s``. FrameMissing if the reason for a longer wait is known.
        """
        ...


@runtime_checkable
class ScheduledSource(Source, Protocol):
    """A source that may deliver nothing for as long as its recording has a gap."""

    @property
    def due_s(self) -> float:
        """When its next frame is due, in ``time.monotonic()`` s; 0.0 if that is unknown."""
        ...


@runtime_checkable
class ScalingSource(Source, Protocol):
    """A source whose device scales the frames itself, before they are grabbed."""

    least_px: tuple[int, int] | None
    """The (height, width) of a whole frame that suffices; None requests all pixels.

    Set before it is opened and before each grab.
    """


@runtime_checkable
class DecodingSource(Source, Protocol):
    """A source that can decode the next capture as it comes, where somebody waits for it."""

    def expect(self, least_px: tuple[int, int] | None) -> None:
        """The next capture will be decoded so, unless one is expected already. Any thread."""
        ...
