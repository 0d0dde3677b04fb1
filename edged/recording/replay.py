"""The decisions of a recording, made once more: by the rules of then, or by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Event
from edged.perception.rules import Decider
from edged.recording.reader import RecordedFrame
from edged.recording.records import Over, RecordingError, Setup


class Rules(NamedTuple):
    """What decides instead of what decided then."""

    rules: Sequence[RuleConfig]
    defaults: DecideConfig


class Step(NamedTuple):
    """One entry of a recording: what happens now, and what happened then.

    ``setup`` is the one that holds, whose clock its times are by.
    """

    setup: Setup
    entry: RecordedFrame | Over
    made: Sequence[Event]

    @property
    def recorded(self) -> Sequence[Event]:
        """The rules' events of then."""
        return [event for event in self.entry.events if event.cause is None]


class Comparison:
    """What is counted while a recording is replayed: ``identical`` are events of both."""

    def __init__(self) -> None:
        self.frames = self.recorded = self.made = self.identical = 0
        self.duration_s = 0.0
        self._first_s: float | None = None

    def add(self, step: Step) -> None:
        """Count one more."""
        if isinstance(step.entry, RecordedFrame):
            self.frames += 1
            if self._first_s is None:
                self._first_s = step.entry.captured_s
            self.duration_s = step.entry.captured_s - self._first_s
        self.recorded += len(step.recorded)
        self.made += len(step.made)
        self.identical += sum(map(same, step.made, step.recorded))

    @property
    def same(self) -> bool:
        """Whether every event was made again, and no other."""
        return self.identical == self.recorded == self.made


def replay(
    recording: Iterable[Setup | RecordedFrame | Over], name: str, instead: Rules | None = None
) -> Iterator[Step]:
    """Each frame of `recording` as the daemon's rules decide on it.

    From the rules of then the same events come to the last bit. Other rules begin with what the
    recorded ones of the same names hold, as after a reload. `name` is the file's, for messages:
    RecordingError where it does not fit together, ConfigError for labels that it does not have.
    """
    setup: Setup | None = None
    decider: Decider | None = None
    for entry in recording:
        if isinstance(entry, Setup):
            before, setup = setup, entry
            if instead is None or decider is None or _other_labels(before, entry):
                decider = _decider(entry, name, instead)
            continue
        if setup is None or decider is None:
            raise RecordingError(f"{name}: nothing decides on its first frame; record again")
        match entry:
            case RecordedFrame():
                _, made = decider.decide(entry.scores, entry.captured_s, entry.number, entry.known)
            case Over():
                made = decider.end(entry.at_s, entry.reason)
        yield Step(setup, entry, made)


def same(made: Event, recorded: Event) -> bool:
    """Whether two events are the same decision, to the last bit; only the journal's number is not.

    As bytes: equal floats may differ in their sign, and NaN is never equal.
    """
    return _decision(made) == _decision(recorded)


def _decision(event: Event) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(event, number=0))


def _other_labels(before: Setup | None, now: Setup) -> bool:
    return before is None or before.labels != now.labels


def _decider(setup: Setup, name: str, instead: Rules | None) -> Decider:
    decider = Decider(setup.rules, setup.decide, setup.labels)
    try:
        decider.resume(setup.state)
    except ValueError as error:
        raise RecordingError(f"{name}: what its rules hold does not fit them ({error})") from error
    if instead is None:
        return decider
    other = Decider(instead.rules, instead.defaults, setup.labels)
    other.succeed(decider)
    return other
