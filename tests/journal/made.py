"""Events to record, and a journal without its thread."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from edged.config.schema import JournalConfig
from edged.core import Event
from edged.journal.consumer import Consumer
from edged.journal.entry import Entry
from edged.journal.journal import Journal

WALL_S = 1_700_000_000.0


def event(frame: int = 1, *, rule: str = "cat", active: bool = True) -> Event:
    """A rule changes at a frame."""
    now_s = time.monotonic()
    return Event(rule, active, 0.7, now_s - 0.2, now_s, frame)


def payload(number: int, **fields: Any) -> bytes:
    """The JSON of event `number`, as a journal holds it."""
    document = {
        "type": "event",
        "schema": 1,
        "device": "porch",
        "time": "2026-05-01T12:00:00.250113Z",
        "number": number,
        "id": f"porch-{number}",
        "rule": "cat",
        "active": True,
        "score": 0.81,
        "onset": "2026-05-01T12:00:00.120410Z",
        "decided": "2026-05-01T12:00:00.220871Z",
        "frame": number,
        "replayed": False,
    }
    return json.dumps({**document, **fields}).encode()


def entries(*numbers: int) -> list[Entry]:
    """Events of these numbers."""
    return [Entry(number, payload(number)) for number in numbers]


_starts_s = itertools.count(WALL_S)


def threadless(
    path: Path, *, clock: Callable[[], float] = time.monotonic, **options: Any
) -> Journal:
    """A journal that goes to disk when it is told to `sync` or `close`, and not by itself.

    Each starts a second after the one before.
    """
    start_s = next(_starts_s)
    config = JournalConfig(path=str(path), **options)
    return Journal("porch", config, clock, wall_clock=lambda: start_s)


def record(journal: Journal, count: int = 1) -> list[int]:
    """The numbers of so many new events."""
    return [numbered.number for numbered in journal.record([event()] * count)]


def reader(journal: Journal, name: str = "mqtt") -> Consumer:
    """A consumer whose cursor is known."""
    consumer = journal.consumer(name, lambda: None)
    journal.sync()
    return consumer


def told(found: Entry) -> Any:
    """A number; or, for a gap, its first and last number and why."""
    said = json.loads(found.payload)
    if found.first is None:
        assert (said["type"], said["number"]) == ("event", found.number)
        return found.number
    assert (said["type"], said["first"], said["last"]) == ("gap", found.first, found.number)
    return (found.first, found.number, said["reason"])


def read(consumer: Consumer, after: int | None = None, limit: int = 100) -> list[Any]:
    """All that it reads from its cursor, or after a number, in order."""
    found = []
    cursor = consumer.rewind()
    at = cursor if after is None else after
    while True:
        page = consumer.after(at, limit)
        found += [told(entry) for entry in page.entries]
        if not page.entries:
            return found
        at = page.up_to


def on_disk(path: Path) -> list[int]:
    """The numbers of the events there."""
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT number FROM event ORDER BY number")]


def cursors(path: Path) -> dict[str, int]:
    """Up to where each consumer has everything, as the disk says."""
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT * FROM cursor").fetchall())


class Blocked:
    """A folder that cannot be made, until it is `free`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.write_text("a file where the directory should be")

    def free(self) -> None:
        self.path.parent.unlink()
