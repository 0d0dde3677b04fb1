"""Recordings that tests make: a loop without camera and model, and what it records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import (
    Deciding,
    Ended,
    Event,
    Features,
    Frame,
    Port,
    Prediction,
    Reason,
    Report,
    Result,
)
from edged.perception.rules import Decider
from edged.recording.lane import Lane
from edged.recording.records import Header, Over, Seen, Setup
from edged.recording.replay import Comparison
from edged.recording.writer import Writer

LABELS = ("background", "cat", "dog", "fox")
SHA256 = "5d" * 32


class Loop:
    """Decides on scores as the daemon does, and tells its lanes. ``events`` have their numbers."""

    def __init__(
        self,
        rules: Sequence[RuleConfig],
        defaults: DecideConfig | None = None,
        labels: Sequence[str] = LABELS,
        record: Callable[[Sequence[Event]], tuple[Event, ...]] | None = None,
    ) -> None:
        """`record` gives events their numbers; without it they count from 1."""
        self.lanes: list[Lane] = []
        self.ports: list[Port] = []
        self._record = record or self._count
        self.events: list[Event] = []
        self.now_s = 100.0
        self.number = 0
        self._labels = labels
        self._decider = Decider(rules, defaults or DecideConfig(), labels)
        self.deciding = self._deciding()

    def lane(self, *, features: bool = False, pictures: bool = False) -> Lane:
        """A lane that hears of what comes."""
        lane = Lane(lambda: self.deciding, features=features, pictures=pictures)
        self.lanes.append(lane)
        return lane

    def tell(self, report: Report) -> None:
        for lane in self.lanes:
            lane.offer(report)
        for port in self.ports:
            port.write(report)

    def frame(
        self,
        scores: Sequence[float],
        after_s: float = 0.1,
        features: Features | None = None,
        shade: int = 90,
    ) -> tuple[Event, ...]:
        self.now_s += after_s
        self.number += 1
        given = np.array(scores, np.float32)
        scene, events = self._decider.decide(given, self.now_s, self.number)
        frame = Frame(np.full((12, 16, 3), shade, np.uint8), self.number, self.now_s)
        prediction = Prediction(given, self._labels, {}, "m", features)
        numbered = self._numbered(events)
        self.tell(Result(frame, prediction, scene, numbered))
        return numbered

    def frames(self, *levels: float) -> None:
        """A cat that scores so, frame by frame."""
        for level in levels:
            self.frame([0.0, level, 0.0, 0.0])

    def end(self, reason: Reason = "camera") -> None:
        self.now_s += 0.05
        events = self._numbered(self._decider.end(self.now_s, reason))
        self.tell(Ended(reason, "the camera delivers no picture", events))

    def reload(
        self,
        rules: Sequence[RuleConfig],
        defaults: DecideConfig | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        self._labels = labels or self._labels
        decider = Decider(rules, defaults or self._decider.defaults, self._labels)
        decider.succeed(self._decider)
        self._decider = decider
        self.deciding = self._deciding()
        self.tell(self.deciding)

    def _deciding(self) -> Deciding:
        return Deciding(self._decider, "m", lambda: SHA256)

    def _numbered(self, events: Sequence[Event]) -> tuple[Event, ...]:
        numbered = self._record(events)
        self.events += numbered
        return numbered

    def _count(self, events: Sequence[Event]) -> tuple[Event, ...]:
        first = len(self.events) + 1
        return tuple(replace(event, number=n) for n, event in enumerate(events, first))


def waiting(lane: Lane) -> list[Setup | Seen | Over]:
    """The records of all that was offered."""
    records = []
    for record in lane.records("porch", 0.0):
        if record is None:
            break
        records.append(record)
    return records


def written(path: Path, lane: Lane, *, whole: bool = True) -> Path:
    """A file of all that was offered."""
    with Writer(path) as writer:
        writer.write(lane.header("porch"))
        for record in waiting(lane):
            writer.write(record)
        if whole:
            writer.end("it was asked to")
    return path


def header() -> Header:
    return Lane(lambda: None, features=False, pictures=False).header("porch")


class Counted(Comparison):
    """What is counted while a recording is replayed, and how many frames are missing in it."""

    lost = 0
