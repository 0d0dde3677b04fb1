"""A result as a picture for people."""

from __future__ import annotations

from edged.core import Result
from edged.imaging.heat import with_heat
from edged.imaging.picture import annotated_jpeg
from edged.messages.message import Moment

TOP = 3
WORTH_TELLING = 0.005
"""Other classes with a lower score would be shown as 0%."""


def snapshot_jpeg(
    result: Result, at: Moment, quality: int = 85, width_px: int | None = None
) -> bytes:
    """The frame at its full size, or `width_px` wide, with a legend in a corner.

    What is different from normal is red, if that was taught. The legend has the decision over time,
    the scores of this frame alone, the device and the capture time. Takes milliseconds and may be
    called from any thread. CameraError if the frame is damaged.
    """
    frame = result.frame
    pixels = frame.full() if frame.full else frame.pixels
    if result.prediction.heat is not None:
        pixels = with_heat(pixels, result.prediction.heat)
    best, *others = result.prediction.top(TOP)
    classes = [best, *(other for other in others if other.score >= WORTH_TELLING)]
    captured = at.utc(frame.captured_s).astimezone()
    lines = [
        f"scene: {result.scene.name or 'undecided'}",
        ("unchanged: " if result.prediction.still else "this frame: ")
        + ", ".join(f"{one.label} {one.score:.0%}" for one in classes),
        f"{at.device}  {captured:%Y-%m-%d %H:%M:%S}",
    ]
    return annotated_jpeg(pixels, lines, quality, width_px)
