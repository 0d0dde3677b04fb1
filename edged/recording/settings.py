"""One rule under many settings at once: each is a rule of one decider, so all are exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Event, Reason
from edged.perception.rules import Decider
from edged.perception.state import State

SCORE = "score"
"""The only label that they have."""


class Settings(NamedTuple):
    """What of a rule can be chosen; seconds, and scores from 0 to 1."""

    enter: float
    exit: float
    smoothing_s: float
    min_on_s: float
    min_off_s: float
    cooldown_s: float


class Raw(NamedTuple):
    """The score of the rule's classes at one frame, not smoothed; or that it ends without one.

    ``unknown`` is true for a frame that the rule ignores while it does not wish to be active.
    """

    at_s: float
    number: int
    score: np.float32
    ends: Reason | None = None
    unknown: bool = False


def settings_of(rule: RuleConfig, defaults: DecideConfig) -> Settings:
    """As they are in force, defaults filled in."""
    values = (getattr(rule, name) for name in Settings._fields)
    return Settings(
        *(
            getattr(defaults, name) if value is None else value
            for name, value in zip(Settings._fields, values, strict=True)
        )
    )


def decide(
    frames: Iterable[Raw], all_settings: Sequence[Settings], state: State | None = None
) -> list[list[Event]]:
    """The events of a rule under each of the settings.

    `state` is what a decider with this one rule and the label `SCORE` held before the first frame;
    None is nothing.
    """
    rules = [
        RuleConfig(name=str(place), labels=[SCORE], **settings._asdict())
        for place, settings in enumerate(all_settings)
    ]
    decider = Decider(rules, DecideConfig(), (SCORE,))
    if state is not None:
        decider.resume(_repeated(state, len(rules)))
    found: list[list[Event]] = [[] for _ in rules]
    scores: npt.NDArray[np.float32] = np.zeros(1, np.float32)
    for frame in frames:
        if frame.ends is not None:
            events = decider.end(frame.at_s, frame.ends)
        else:
            scores[0] = frame.score
            known = 0.0 if frame.unknown else None
            _, events = decider.decide(scores, frame.at_s, frame.number, known)
        for event in events:
            found[int(event.rule)].append(event)
    return found


def state_of(state: State, place: int) -> State:
    """Of what a decider holds, that of its rule at `place` alone, for `decide`."""
    flag, number = slice(place, place + 1), slice(8 * place, 8 * place + 8)
    return State(
        state.now_s,
        state.number,
        (),
        state.wish[flag],
        state.active[flag],
        state.unset[flag],
        state.score[number],
        state.crossed_s[number],
        state.since_s[number],
        state.effect_s[number],
        bytes(4),
    )


def _repeated(state: State, count: int) -> State:
    return State(
        state.now_s,
        state.number,
        (),
        state.wish * count,
        state.active * count,
        state.unset * count,
        state.score * count,
        state.crossed_s * count,
        state.since_s * count,
        state.effect_s * count,
        state.classes,
    )
