"""A result as a picture for people."""

from __future__ import annotations

from edged.core import Result
from edged.imaging.picture import annotated_jpeg


def snapshot_jpeg(result: Result, quality: int = 85, width_px: int | None = None) -> bytes:
    """The frame at its full size, or `width_px` wide, over the scene and the best classes.

    Takes milliseconds and may be called from any thread. CameraError where the frame is damaged.
    """
    frame = result.frame
    pixels = frame.full() if frame.full else frame.pixels
    lines = [
        result.scene.name or "undecided",
        *(f"{best.score:.0%} {best.label}" for best in result.prediction.top(3)),
    ]
    return annotated_jpeg(pixels, lines, quality, width_px)
