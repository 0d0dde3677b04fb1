"""The files of excerpts, one for events that came close together, named by their numbers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edged.errors import PortError
from edged.recording.reader import Recording
from edged.recording.records import RecordingError

OPEN = ".part"
"""Ends the name of the file that is being written."""

MODE = 0o750
"""Of the folder: whoever may command edged may also look."""

_NAME = re.compile(r"(\d{1,16})-(\d{1,16})\.rec|(\d{1,16})\.part")


class Excerpt(NamedTuple):
    """A file, and the numbers of the first and the last event in it.

    One that is still written, or was when the power went, does not know its ``last``.
    """

    path: Path
    first: int
    last: int | None

    def may_have(self, number: int) -> bool:
        """Whether event `number` may be in it."""
        return self.first <= number and (self.last is None or number <= self.last)


def excerpts(folder: Path) -> list[Excerpt]:
    """The files there, oldest first; none where there is no folder. PortError."""
    found = []
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PortError(f"{folder}: {error.strerror or error}") from error
    for name in names:
        if match := _NAME.fullmatch(name):
            first, last, opened = match.groups()
            found.append(
                Excerpt(folder / name, int(opened or first), None if opened else int(last))
            )
    return sorted(found, key=lambda one: one.first)


def part(folder: Path, first: int) -> Path:
    """The file that is written from event `first` on."""
    return folder / f"{first}{OPEN}"


def close(excerpt: Path, last: int) -> None:
    """What is written is whole, up to event `last`. OSError."""
    excerpt.replace(excerpt.with_name(f"{excerpt.stem}-{last}.rec"))


def close_left_open(folder: Path) -> None:
    """Close what an earlier run left open. OSError, PortError."""
    for excerpt in excerpts(folder):
        if excerpt.last is not None:
            continue
        numbers = list(_numbers(excerpt.path))
        if numbers:
            close(excerpt.path, max(numbers))
        else:
            excerpt.path.unlink()


def prune(folder: Path, max_events: int, max_bytes: int) -> None:
    """Remove the oldest that are beyond the bounds, but not the newest. OSError, PortError."""
    events = size_bytes = 0
    for place, excerpt in enumerate(reversed(excerpts(folder))):
        events += 1 if excerpt.last is None else excerpt.last - excerpt.first + 1
        size_bytes += excerpt.path.stat().st_size
        if place and (events > max_events or size_bytes > max_bytes):
            excerpt.path.unlink()


def forget_from(folder: Path, number: int) -> None:
    """Remove those whose events are not all before `number`: their journal is gone. OSError."""
    for excerpt in excerpts(folder):
        if max(excerpt.first, excerpt.last or 0) >= number:
            excerpt.path.unlink()


def _numbers(path: Path) -> Iterator[int]:
    try:
        with Recording(path) as recording:
            for entry in recording:
                yield from (event.number for event in getattr(entry, "events", ()))
                # The loop need not wait for more than one of them.
                time.sleep(0)
    except RecordingError:
        # What comes before the damage counts.
        return
