"""The pictures of a recording as a camera: what the daemon saw, as it saw it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from edged.cameras.pace import Schedule
from edged.cameras.source import AGAIN, Capture, SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError, PictureError
from edged.imaging.picture import decode_jpeg
from edged.printable import printable
from edged.recording.reader import RecordedFrame, Recording
from edged.recording.records import RecordingError
from edged.redact import public_name

log = logging.getLogger(__name__)

LONGEST_GAP_S = 3600.0
"""A longer gap is a pause of the daemon, which nobody waits for."""


class RecordingSource:
    """Shows the pictures of recording ``source`` at the times between them, ``fps`` at most.

    They were turned, cut and masked when they were recorded, and are not again. With ``loop``
    false, SourceEnded follows the last one.
    """

    def __init__(
        self,
        camera: CameraConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = printable(public_name(camera.source) or "recording")
        self._path = Path(camera.source).expanduser()
        self._loop = camera.loop
        self._schedule = Schedule(camera.fps, LONGEST_GAP_S, clock, sleep)
        self._recording: Recording | None = None
        self._frames: Iterator[RecordedFrame] = iter(())
        self._told = False

    @property
    def due_s(self) -> float:
        """See `edged.cameras.source.ScheduledSource`."""
        return self._schedule.due_s

    def __enter__(self) -> RecordingSource:
        self._open()
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def grab(self) -> Capture:
        empty = False
        while True:
            try:
                frame = next(self._frames, None)
            except RecordingError as error:
                raise CameraError(str(error)) from error
            if frame is None:
                if empty:
                    raise CameraError(f"{self.name}: no picture is in it; record with --frames")
                self._play_again()
                empty = True
                continue
            empty = False
            due_s = self._schedule.wait(frame.captured_s)
            if due_s is not None:
                decode = partial(self._picture, frame.jpeg, frame.number)
                return Capture(due_s, decode, reduces=True, live=False, oriented=True)

    def _open(self) -> None:
        try:
            self._recording = recording = Recording(self._path)
        except RecordingError as error:
            raise CameraError(str(error)) from error
        if not recording.header.pictures:
            self._close()
            raise CameraError(
                f"{self.name}: it was recorded without pictures; record with --frames"
            )
        self._frames = (
            entry for entry in recording if isinstance(entry, RecordedFrame) and entry.jpeg
        )

    def _close(self) -> None:
        if self._recording is not None:
            self._recording.__exit__()
            self._recording = None

    def _play_again(self) -> None:
        broken = self._recording.broken if self._recording is not None else None
        if broken is not None and not self._told:
            self._told = True
            log.warning("camera: %s", broken)
        if not self._loop:
            raise SourceEnded(f"{self.name}: no more pictures; {AGAIN}")
        self._close()
        self._open()

    def _picture(self, jpeg: bytes, number: int, least_px: tuple[int, int] | None) -> Pixels:
        try:
            return decode_jpeg(jpeg, f"{self.name}: frame {number}", least_px)
        except PictureError as error:
            raise CameraError(str(error)) from error
