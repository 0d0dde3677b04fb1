"""A rule's scores over recordings, and the marks that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edged.config.nearest import did_you_mean, listed
from edged.config.schema import RuleConfig
from edged.errors import CommandError
from edged.perception.rules import Decider
from edged.recording.reader import Recording
from edged.recording.records import Over, RecordingError, Setup
from edged.recording.settings import Raw, Settings, settings_of
from edged.tuning.marks import Row, Span, of_rule, placed
from edged.tuning.search import Track


class Material(NamedTuple):
    """What a rule is tuned on; ``broken`` says which recordings are not whole."""

    model: str
    rule: RuleConfig
    now: Settings
    tracks: Sequence[Track]
    broken: Sequence[str]
    lost: int


class _Read(NamedTuple):
    setup: Setup
    frames: list[Raw]
    broken: str | None
    lost: int


def material(paths: Sequence[Path], rows: Sequence[Row], name: str) -> Material:
    """Of the rule `name`, which may be empty where the recordings have one rule.

    RecordingError, MarksError, CommandError: one line each.
    """
    found = [_read(path, name) for path in paths]
    first = found[0].setup
    for path, one in zip(paths, found, strict=True):
        if _model(one.setup) != _model(first):
            raise RecordingError(
                f"{path}: recorded with model {one.setup.model}, {paths[0]} with {first.model}; "
                "their scores differ: tune each by itself"
            )
    rule = _rule(first, name, str(paths[0]))
    meant = {label.casefold() for label in (rule.name, *_labels(first, rule))}
    known = [*(one.name for one in first.rules), *first.labels]
    spans = [
        Span(path.name, one.frames[0].at_s, one.frames[-1].at_s, one.setup.offset_s)
        for path, one in zip(paths, found, strict=True)
    ]
    marks = placed(of_rule(rows, meant, known), spans)
    tracks = [
        Track(str(path), one.frames, own)
        for path, one, own in zip(paths, found, marks, strict=True)
    ]
    broken = [one.broken for one in found if one.broken is not None]
    lost = sum(one.lost for one in found)
    return Material(first.model, rule, settings_of(rule, first.decide), tracks, broken, lost)


def _model(setup: Setup) -> tuple[str, str, tuple[str, ...]]:
    return setup.model, setup.sha256, setup.labels


def _rule(setup: Setup, name: str, path: str) -> RuleConfig:
    names = [rule.name for rule in setup.rules]
    if name in names:
        return setup.rules[names.index(name)]
    if not name and len(names) == 1:
        return setup.rules[0]
    if not name:
        raise CommandError(f"{path}: which rule? Give --rule: {listed(names)}")
    raise CommandError(f"{path}: no rule {name}{did_you_mean(name, names)}; it has {listed(names)}")


def _labels(setup: Setup, rule: RuleConfig) -> list[str]:
    decider = Decider([rule], setup.decide, setup.labels)
    ((_, classes),) = decider.groups.members
    return [setup.labels[place] for place in classes]


def _read(path: Path, name: str) -> _Read:
    first: Setup | None = None
    frames: list[Raw] = []
    decider: Decider | None = None
    with Recording(path) as recording:
        for entry in recording:
            if isinstance(entry, Setup):
                if first is None:
                    first = entry
                    rule = _rule(entry, name, recording.name)
                    decider = Decider([rule], entry.decide, entry.labels)
                elif _model(entry) != _model(first):
                    raise RecordingError(
                        f"{recording.name}: the model changed while it was recorded; record again"
                    )
            elif isinstance(entry, Over):
                frames.append(Raw(entry.at_s, 0, np.float32(0), entry.reason))
            elif decider is not None:
                (score,) = decider.groups.scores(entry.scores)
                unknown = decider.ignores(0, entry.known)
                frames.append(Raw(entry.captured_s, entry.number, score, unknown=unknown))
    if first is None or len(frames) < 2:
        raise RecordingError(f"{recording.name}: nothing is recorded in it")
    return _Read(first, frames, recording.broken, recording.lost)
