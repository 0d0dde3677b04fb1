"""``edged replay``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edged.cli.events import line
from edged.config.load import load, of_values
from edged.errors import CommandError
from edged.messages import events as messages
from edged.messages.events import EventMessage
from edged.messages.message import Moment
from edged.messages.recordings import ReplayedMessage
from edged.recording.reader import Recording
from edged.recording.records import Setup
from edged.recording.replay import Comparison, Rules, Step, replay

SETTABLE = ("rule", "decide")
"""The tables of a configuration that a replay takes."""


def run(arguments: argparse.Namespace) -> int:
    """The events of the recording as they are decided now, and whether they are those of then."""
    began_s = time.perf_counter()
    instead = _instead(arguments)
    comparison = Comparison()
    with Recording(arguments.file) as recording:
        for step in replay(recording, recording.name, instead):
            for event in _messages(step, recording.header.device, comparison.made, instead):
                print(event.json().decode() if arguments.json else line(event))
            comparison.add(step)
    message = ReplayedMessage(
        path=recording.name,
        frames=comparison.frames,
        recorded=comparison.recorded,
        made=comparison.made,
        identical=comparison.identical if instead is None else None,
        lost=recording.lost,
        duration_s=round(comparison.duration_s, 3),
        took_s=round(time.perf_counter() - began_s, 3),
        broken=recording.broken,
    )
    print(message.json().decode() if arguments.json else _summary(message))
    if recording.broken is not None:
        print(f"edged: {recording.broken}", file=sys.stderr)
    sound = recording.broken is None and (instead is not None or comparison.same)
    return 0 if sound else 1


def _instead(arguments: argparse.Namespace) -> Rules | None:
    """The rules to decide by where they are not those of the recording."""
    for override in arguments.overrides:
        key = override.partition("=")[0].strip()
        if key.partition(".")[0] not in SETTABLE:
            raise CommandError(
                f"--set {key}: a replay has rules alone; expected an option of rule or decide"
            )
    if arguments.config is not None:
        config = load(arguments.config, arguments.overrides, os.environ)
        return Rules(config.rule, config.decide)
    if not arguments.overrides:
        return None
    setup = _first_setup(arguments.file)
    values = {
        "rule": [_given(rule) for rule in setup.rules],
        "decide": msgspec.to_builtins(setup.decide),
    }
    config = of_values(values, arguments.file.name, arguments.overrides)
    return Rules(config.rule, config.decide)


def _given(rule: msgspec.Struct) -> dict[str, object]:
    fields = msgspec.to_builtins(rule)
    return {key: value for key, value in fields.items() if value is not None}


def _first_setup(path: Path) -> Setup:
    with Recording(path) as recording:
        for entry in recording:
            if isinstance(entry, Setup):
                return entry
    raise CommandError(f"{recording.name}: nothing is recorded in it")


def _messages(
    step: Step, device: str, before: int, instead: Rules | None
) -> Iterator[EventMessage]:
    """The events with the journal's numbers; with numbers of their own by other rules."""
    recorded = [event.number for event in step.recorded]
    for place, event in enumerate(step.made):
        number = before + place + 1
        if instead is None:
            number = recorded[place] if place < len(recorded) else 0
        at = Moment(device, event.decided_s, step.setup.offset_s, step.setup.synced)
        yield messages.event(msgspec.structs.replace(event, number=number), at)


def _summary(message: ReplayedMessage) -> str:
    if message.identical is None:
        outcome = f"{message.made} events by other rules, {message.recorded} recorded"
    else:
        outcome = f"{message.identical} of {message.recorded} events identical"
        if message.made > message.recorded:
            outcome += f", {message.made - message.recorded} more made"
    lost = f", {message.lost} lost" if message.lost else ""
    return (
        f"{message.path}: {outcome}; {message.frames} frames{lost}, {message.duration_s:.1f} s in "
        f"{message.took_s:.1f} s"
    )
