"""The pictures of a folder as a camera."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edged.cameras.pace import Pace
from edged.cameras.source import AGAIN, Capture, SourceEnded
from edged.config.schema import CameraConfig
from edged.core import Pixels
from edged.errors import CameraError, PictureError
from edged.imaging.folder import listing, no_pictures
from edged.imaging.picture import TooLargeError, read_picture
from edged.printable import printable
from edged.redact import public_name

log = logging.getLogger(__name__)

NONE_READABLE = "none of its pictures can be read; replace them"


class DirectorySource:
    """Shows the pictures of folder ``source``, or the one picture that it names, at ``fps``.

    In natural order (``2.jpg`` before ``10.jpg``), without subfolders. Each round lists the folder
    again. A picture that cannot be read is skipped until its file changes. With ``loop`` false,
    SourceEnded follows the last picture.
    """

    def __init__(self, camera: CameraConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = printable(public_name(camera.source) or "directory")
        self._path = Path(camera.source).expanduser()
        self._configured = bool(camera.source)
        self._loop = camera.loop
        self._pace = Pace(camera.fps, sleep=sleep)
        self._waiting: list[Path] = []
        self._changed_ns: dict[Path, int] = {}
        self._unreadable: dict[Path, int] = {}
        self._problems: set[str] = set()
        self._told: set[str] = set()

    def __enter__(self) -> DirectorySource:
        self._start_round()
        # Otherwise a folder of damaged pictures would open, fail and open again forever.
        if not any(map(_is_readable, reversed(self._waiting))):
            raise CameraError(f"{self.name}: {NONE_READABLE}")
        return self

    def __exit__(self, *exception: object) -> None:
        self._waiting.clear()

    def grab(self) -> Capture:
        captured_s = self._pace.wait()
        if not self._waiting:
            if not self._loop:
                raise SourceEnded(f"{self.name}: no more pictures; {AGAIN}")
            self._start_round()
        # Not at opening, which may fail and be retried: each skipped picture is logged once.
        self._tell_problems()
        path = self._waiting.pop()
        # Decoded only if this frame is read, as with any camera.
        return Capture(captured_s, partial(self._picture, path), reduces=True, live=False)

    def _start_round(self) -> None:
        """List the pictures, last first, because they are taken from the end."""
        changed_ns = self._pictures()
        if not changed_ns:
            raise CameraError(str(no_pictures(self._path)))
        # A new dictionary in one assignment: the loop's thread adds to the old one.
        self._unreadable = {
            path: when for path, when in self._unreadable.copy().items() if path in changed_ns
        }
        readable = [path for path in changed_ns if self._unreadable.get(path) != changed_ns[path]]
        if not readable:
            raise CameraError(f"{self.name}: {NONE_READABLE}")
        self._changed_ns = changed_ns
        self._waiting = sorted(readable, key=_natural, reverse=True)

    def _pictures(self) -> dict[Path, int]:
        """The existing pictures, each with the time of its last change in ns."""
        if not self._configured:
            raise CameraError("directory: no folder given; set camera.source")
        try:
            if self._path.is_file():
                return {self._path: self._path.stat().st_mtime_ns}
            found = listing(self._path)
            self._problems = set(map(str, found.unreadable))
            return {path: path.stat().st_mtime_ns for path in found.pictures}
        except OSError as error:
            raise CameraError(
                f"{self.name}: {error.strerror or error}; set camera.source to a folder of pictures"
            ) from error

    def _tell_problems(self) -> None:
        for problem in sorted(self._problems - self._told):
            log.warning("camera: skipped: %s", problem)
        self._told = self._problems

    def _picture(self, path: Path, least_px: tuple[int, int] | None) -> Pixels:
        try:
            return read_picture(path, least_px)
        except PictureError as error:
            # A picture too large to decode at full size may be small enough at the shown size.
            if least_px is not None or not isinstance(error, TooLargeError):
                self._unreadable[path] = self._changed_ns.get(path, 0)
            raise CameraError(str(error)) from error


def _is_readable(path: Path) -> bool:
    try:
        # At the smallest scale.
        read_picture(path, (1, 1))
    except PictureError:
        return False
    return True


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key: runs of digits compare as numbers, everything else as text, ignoring case."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.lower())
        for part in re.split(r"(\d+)", path.name)
    ]
