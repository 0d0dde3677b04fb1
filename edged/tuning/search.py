"""Searches the settings of a rule on recordings whose truth is marked.

All settings of a round are decided by one pass over the recordings, each as a rule of its own
(`edged.recording.settings`), so what is counted is what the daemon would have done.

**Choice.** Among settings that miss no more marks than the present ones, also with a somewhat
higher threshold and longer smoothing, those with the fewest false alarms; not their own alone,
which may be luck, but those of their neighbours, too: the mean over the `NEIGHBOURS` settings
nearest to them, in steps of their scales. **Held back.** The time is cut into `FOLDS` parts; for
each, the choice is made on the others, and counted on it alone. The sum is what to expect of a
choice made in this way where nobody has looked.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edged.core import Event
from edged.recording.settings import Raw, Settings, decide
from edged.tuning.marks import Mark
from edged.tuning.outcome import Outcome, judge, together

T = TypeVar("T")

FOLDS = 5
NEIGHBOURS = 6
BEST = 12
"""Settings of a round around which the next one looks."""

MARGIN = 0.05
"""By which scores may be lower elsewhere."""

SMOOTHING_S = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0)
MIN_ON_S = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
COOLDOWN_S = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)


class Track(NamedTuple):
    """A rule's scores over one recording, and what was really there, by its clock."""

    name: str
    frames: Sequence[Raw]
    marks: Sequence[Mark]

    @property
    def first_s(self) -> float:
        """When it begins."""
        return self.frames[0].at_s

    @property
    def last_s(self) -> float:
        """When it ends; just after the last frame, whose event belongs to it."""
        return float(np.nextafter(self.frames[-1].at_s, np.inf))


class Tried(NamedTuple):
    """Settings, and what came of them in each part of the time.

    ``strict_misses`` are the misses of each part with a somewhat higher threshold and smoothing: a
    mark that is hit by a hair elsewhere may be missed.
    """

    settings: Settings
    parts: Sequence[Outcome]
    strict_misses: Sequence[int]

    @property
    def whole(self) -> Outcome:
        """In all of it."""
        return together(self.parts)


class Tuned(NamedTuple):
    """What the search has found among so many that it ``tried``.

    ``now`` are the settings of then, and ``found`` is ``now`` where nothing better was.
    ``held_back`` is what to expect, by parts of the time that had not been seen. ``front`` has the
    settings with the fewest false alarms for each number of misses.
    """

    now: Tried
    found: Tried
    held_back: Outcome
    front: Sequence[Tried]
    tried: int


def tune(
    tracks: Sequence[Track],
    now: Settings,
    tries: int,
    seed: int,
    max_delay_s: float = math.inf,
    follow: Callable[[Iterable[Raw]], Iterable[Raw]] = iter,
) -> Tuned:
    """Search around and far from `now`, where the median delay is at most `max_delay_s`.

    `follow` sees each frame of each round.
    """
    chance = random.Random(seed)  # noqa: S311 (no secret)
    known: dict[Settings, Tried] = {}

    def attempt(wanted: Iterable[Settings]) -> None:
        new = [one for one in dict.fromkeys(wanted) if one not in known]
        known.update({one.settings: one for one in outcomes(tracks, new, follow)})

    # Half of them anywhere, the others around the best of them, in two rounds.
    attempt([now, *(_anywhere(chance, now) for _ in range(tries // 2))])
    for width in (2, 1):
        best = _ranked(list(known.values()), known[now], max_delay_s)[:BEST]
        count = tries // 4 // max(1, len(best))
        attempt(_near(chance, one.settings, width) for one in best for _ in range(count))
    tried = list(known.values())
    parts = range(len(known[now].parts))
    held_back = [
        _choice(
            [_without(one, part) for one in tried], _without(known[now], part), max_delay_s
        ).settings
        for part in parts
    ]
    return Tuned(
        known[now],
        known[_choice(tried, known[now], max_delay_s).settings],
        together([known[one].parts[part] for part, one in zip(parts, held_back, strict=True)]),
        _front(tried),
        len(tried),
    )


def outcomes(
    tracks: Sequence[Track],
    settings: Sequence[Settings],
    follow: Callable[[Iterable[Raw]], Iterable[Raw]] = iter,
) -> list[Tried]:
    """What comes of each of the settings, in each part of the time of all `tracks` together."""
    both = [*settings, *map(_stricter, settings)]
    events = [decide(follow(track.frames), both) for track in tracks]
    cuts = _cuts(tracks)
    found = [
        [_judged([of[place] for of in events], tracks, part) for part in cuts]
        for place in range(len(both))
    ]
    return [
        Tried(one, parts, [part.misses for part in strict])
        for one, parts, strict in zip(
            settings, found[: len(settings)], found[len(settings) :], strict=True
        )
    ]


Cut = Sequence[tuple[float, float]]
"""Of each track, from when until when a part of the time is."""


def _cuts(tracks: Sequence[Track]) -> list[Cut]:
    """Parts of about the same length, and of each track one."""
    cuts: list[Cut] = []
    for part in range(FOLDS):
        cut = []
        for track in tracks:
            length_s = track.last_s - track.first_s
            ends_s = [track.first_s + length_s * (part + more) / FOLDS for more in (0, 1)]
            cut.append((ends_s[0], track.last_s if part == FOLDS - 1 else ends_s[1]))
        cuts.append(cut)
    return cuts


def _judged(events: Sequence[Sequence[Event]], tracks: Sequence[Track], cut: Cut) -> Outcome:
    return together(
        [
            judge(own, track.marks, *ends_s)
            for own, track, ends_s in zip(events, tracks, cut, strict=True)
        ]
    )


def _without(tried: Tried, part: int) -> Tried:
    def rest(values: Sequence[T]) -> list[T]:
        return [*values[:part], *values[part + 1 :]]

    return Tried(tried.settings, rest(tried.parts), rest(tried.strict_misses))


def _choice(tried: Sequence[Tried], now: Tried, max_delay_s: float) -> Tried:
    best = _ranked(tried, now, max_delay_s)
    return best[0] if best else now


def _ranked(tried: Sequence[Tried], now: Tried, max_delay_s: float) -> list[Tried]:
    """Those that miss no more than `now` and have no more false alarms, best first."""
    whole = [one.whole for one in tried]
    allowed = now.whole
    places = np.array([_place(one.settings) for one in tried])
    alarms = np.array([one.false_alarms for one in whole], float)
    fit = [
        place
        for place, one in enumerate(whole)
        if sum(tried[place].strict_misses) <= allowed.misses
        and one.misses <= allowed.misses
        and one.false_alarms <= allowed.false_alarms
        and (one.delay_s(0.5) or 0.0) <= max_delay_s
    ]

    def cost(place: int) -> tuple[float, float]:
        apart = np.abs(places - places[place]).sum(axis=1)
        near = np.argpartition(apart, min(NEIGHBOURS, len(apart) - 1))[: NEIGHBOURS + 1]
        return float(alarms[near].mean()), whole[place].delay_s(0.5) or 0.0

    return [tried[place] for place in sorted(fit, key=cost)]


def _place(settings: Settings) -> npt.NDArray[np.float64]:
    """Settings as a point whose distances are steps that matter about as much."""
    return np.array(
        [
            settings.enter * 20,
            settings.exit * 10,
            _step(settings.smoothing_s, SMOOTHING_S),
            _step(settings.min_on_s, MIN_ON_S),
            _step(settings.cooldown_s, COOLDOWN_S),
        ]
    )


def _step(value: float, scale: Sequence[float]) -> float:
    return float(np.interp(value, scale, range(len(scale))))


def _anywhere(chance: random.Random, now: Settings) -> Settings:
    enter = chance.randint(20, 99) / 100
    return now._replace(
        enter=enter,
        exit=round(enter * chance.choice((0.3, 0.5, 0.7, 0.85, 1.0)), 2),
        smoothing_s=chance.choice(SMOOTHING_S),
        min_on_s=chance.choice(MIN_ON_S),
        cooldown_s=chance.choice(COOLDOWN_S),
    )


def _stricter(settings: Settings) -> Settings:
    step = math.floor(_step(settings.smoothing_s, SMOOTHING_S)) + 1
    return settings._replace(
        enter=min(1.0, settings.enter + MARGIN),
        smoothing_s=max(settings.smoothing_s, SMOOTHING_S[min(step, len(SMOOTHING_S) - 1)]),
    )


def _near(chance: random.Random, settings: Settings, width: int) -> Settings:
    def moved(value: float, scale: Sequence[float]) -> float:
        step = round(_step(value, scale)) + chance.randint(-1, 1)
        return scale[min(max(step, 0), len(scale) - 1)]

    enter = min(0.99, max(0.05, settings.enter + 0.03 * width * chance.uniform(-1, 1)))
    below = settings.enter - settings.exit + 0.05 * width * chance.uniform(-1, 1)
    return settings._replace(
        enter=round(enter, 2),
        exit=round(min(max(enter - max(below, 0.0), 0.01), enter), 2),
        smoothing_s=moved(settings.smoothing_s, SMOOTHING_S),
        min_on_s=moved(settings.min_on_s, MIN_ON_S),
        cooldown_s=moved(settings.cooldown_s, COOLDOWN_S),
    )


def _front(tried: Sequence[Tried]) -> list[Tried]:
    """The fewest false alarms for each number of misses, where fewer misses cost more."""
    front: list[Tried] = []
    for one in sorted(tried, key=lambda one: (one.whole.misses, one.whole.false_alarms)):
        if not front or one.whole.false_alarms < front[-1].whole.false_alarms:
            front.append(one)
    return front
