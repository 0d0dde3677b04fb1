"""Decisions over time: rules in seconds, independent of the frame rate. Pure: time is an argument.

**Score.** A rule's score is the maximum of its classes' scores, or their sum (at most 1), smoothed
by a first-order low-pass filter of time constant ``smoothing_s``. A frame's score counts for the
time since the previous frame, at most `HOLD_S`: over such a time the filter's step ``1 - exp(-dt /
smoothing_s)`` is exact, whatever the frame rate, and after an outage one frame does not count for
the whole gap. The first frame sets the score.

**Unknown.** A frame that looks less known than ``unknown_share`` of the pictures of known things
counts as a score of 0 for a rule that does not wish to be active, if that rule is ``known_only``.

**Wish.** A rule wishes to be active from when its smoothed score reaches ``enter`` until it falls
below ``exit`` (hysteresis). The onset of a wish is that crossing, computed on the filter's curve
between the two frames.

**State.** The state follows the wish as soon as allowed: an active rule stays active for at least
``min_on_s``, an inactive one, after an activation, for ``min_off_s`` or ``cooldown_s``, whichever
is longer. A wish that ends earlier causes no event. These times run from when the state took
effect, which is its onset or, if it had to wait, the end of the wait; not from the frame that
showed it. So the frame rate rounds each event once, and the roundings do not add up.

With frames less than ``dt`` apart, and ``dt`` at most `HOLD_S`, onset and effect are less than
``dt`` before, and the frame that decides less than ``dt`` before or after, where they are for
an endless frame rate; provided that the score settles between its changes, and that no two of the
times that compete are that close to each other.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np

from edged.config.schema import DecideConfig, RuleConfig, SavedRule
from edged.config.toml import shown
from edged.core import NOTHING, UNKNOWN, VIEW_LABELS, Event, Reason, Scene, Scores
from edged.errors import ConfigError
from edged.perception.filter import Filter, Flags, Floats, Groups
from edged.perception.labels import LabelIndex, has_view_labels
from edged.perception.rule_states import RuleStates
from edged.perception.state import State, array, packed

log = logging.getLogger(__name__)

HOLD_S = 1.0
"""The longest time for which one frame's score counts."""

ROUNDING_S = 1e-6
"""Floating-point sums of times may deviate from a frame's time by less than this."""

PROBLEMS_LIMIT = 20


class Decider:
    """Holds the state of each rule from frame to frame. One thread only.

    All rules are decided at once with arrays; only the scene and the changes of a frame become
    Python objects.
    """

    def __init__(
        self, rules: Sequence[RuleConfig], defaults: DecideConfig, labels: Sequence[str]
    ) -> None:
        """`labels` are the model's. ConfigError, a line for each label that cannot be resolved."""
        index = LabelIndex(labels)
        self.rules = rules = [rule for rule in rules if _fits(rule, index)]
        self.defaults = defaults
        self.labels = labels
        self._empty = frozenset(index.find(label) for label in defaults.nothing if label in index)
        self._unknown_below = np.float32(defaults.unknown_below)
        self._unknown_share = defaults.unknown_share

        def option(name: str) -> Floats:
            own = (getattr(rule, name) for rule in rules)
            default = getattr(defaults, name)
            return np.array([default if value is None else value for value in own], np.float64)

        self.names = [rule.name for rule in rules]
        # Rounded as scores are: 0.9 of a model reaches a threshold of 0.9.
        self._enter = option("enter").astype(np.float32).astype(np.float64)
        self._exit = option("exit").astype(np.float32).astype(np.float64)
        members = _members(rules, index)
        competing = len(labels) - len(VIEW_LABELS) if has_view_labels(labels) else len(labels)
        self._filter = Filter(
            len(labels),
            1.0 / defaults.smoothing_s if defaults.smoothing_s else math.inf,
            Groups(members),
            _rates(option("smoothing_s")),
            competing,
        )
        self._min_on_s = option("min_on_s")
        # Something that the model does not know is the first to be different from normal.
        of_view = np.array(
            [max(classes, default=-1) >= competing for _, classes in members], np.bool_
        )
        self._known_only = option("known_only").astype(np.bool_) & ~of_view
        self._pause_s = np.maximum(option("min_off_s"), option("cooldown_s"))

        self._effect_s = np.full(len(rules), -np.inf)
        self._number = 0
        self._forget()

    @property
    def groups(self) -> Groups:
        """The classes of each rule."""
        return self._filter.groups

    def _forget(self) -> None:
        """Reset to the state before the first frame, except when rules took effect."""
        count = len(self.names)
        self._now_s: float | None = None
        self._ended: list[tuple[str, float]] = []
        self._fresh = True
        # How known the pictures look, filtered as the classes are, and the last one; None while
        # nobody tells.
        self._known: float | None = None
        self._seen: float | None = None
        self._wish = np.zeros(count, np.bool_)
        self._threshold = self._enter
        # Rules whose state will follow their wish, each with the time from which it may.
        self._waiting: list[tuple[float, int]] = []
        self._due_s = math.inf
        self._active = np.zeros(count, np.bool_)
        self._active_names: tuple[str, ...] = ()
        self._active_places: list[int] = []
        self._crossed_s = np.zeros(count)
        self._since_s = np.zeros(count)
        self._filter.unset = np.ones(count, np.bool_)

    def decide(
        self, scores: Scores, at_s: float, number: int, known: float | None = None
    ) -> tuple[Scene, tuple[Event, ...]]:
        """Decide on frame `number`, captured at `at_s`.

        `scores` has one entry for each label, in 0..1 and never NaN, which would stay in the filter
        forever. `known` is that of its `Prediction`. A frame that is not newer than the previous
        one counts at that one's time.
        """
        self._number, self._seen = number, known
        first = self._now_s is None
        before_s = at_s if self._now_s is None else self._now_s
        self._now_s = now_s = max(at_s, before_s)
        held_s = min(now_s - before_s, HOLD_S)
        if first:
            self._since_s[self._filter.unset] = now_s
        before = self._filter.score
        self._best, turned = self._filter.step(
            scores,
            None if first else held_s,
            self._threshold,
            self._wish,
            self._deaf(known),
        )
        self._known = self._filter.along_classes(self._known, known, None if first else held_s)
        if turned:
            self._turn(before, now_s, held_s)
        if self._fresh:
            self._fresh = False
            self._filter.unset[:] = False
        events: tuple[Event, ...] = ()
        if self._ended or now_s + ROUNDING_S >= self._due_s:
            events = (*self._end(number), *self._change(number))
        states = RuleStates(self.names, self._active, self._filter.score, self._since_s)
        name, score = self._scene()
        return Scene(name, states, self._active_names, float(score)), events

    def doubts(self, margin: float) -> bool:
        """Whether the last frame's score of a rule is within `margin` of where the rule turns.

        Or how known it looks is that near to where rules begin to take notice.
        """
        if self._seen is not None and abs(self._seen - self._unknown_share) < margin:
            return True
        return bool((np.abs(self._filter.raw - self._threshold) < margin).any())

    def ignores(self, place: int, known: float | None) -> bool:
        """Whether the rule at `place` ignores such a frame while it does not wish to be active."""
        unknown = known is not None and known < self._unknown_share
        return unknown and bool(self._known_only[place])

    def _deaf(self, known: float | None) -> Flags | None:
        """The rules that take no notice of a frame, because it shows nothing that is known.

        One that wishes to be active does: what it holds is not ended by a doubt.
        """
        if known is None or known >= self._unknown_share:
            return None
        return self._known_only & ~self._wish

    def end(self, now_s: float, reason: Reason) -> tuple[Event, ...]:
        """End all active rules without a frame; deciding starts again with the next frame.

        Returns an event for each rule that was active. The times for which a rule must stay
        inactive count from here.
        """
        held = [(i, float(self._filter.score[i])) for i in np.flatnonzero(self._active).tolist()]
        ended = self._ended + [(self.names[place], score) for place, score in held]
        self._effect_s[[place for place, _ in held]] = now_s
        self._forget()
        return tuple(
            Event(name, False, score, now_s, now_s, self._number, reason=reason)
            for name, score in ended
        )

    def succeed(self, old: Decider) -> None:
        """Continue from the state of `old`, before the first frame.

        A rule with the same name keeps its state and its times, and also its score if its classes
        are the same. An active rule that no longer exists becomes inactive with the next frame.
        """
        places = {name: place for place, name in enumerate(old.names)}
        mine = np.array([i for i, name in enumerate(self.names) if name in places], np.intp)
        its = np.array([places[name] for name in self.names if name in places], np.intp)
        for state in ("_wish", "_active", "_crossed_s", "_since_s", "_effect_s"):
            getattr(self, state)[mine] = getattr(old, state)[its]
        new_filter, old_filter = self._filter, old._filter
        new_filter.score[mine] = old_filter.score[its]
        if list(self.labels) == list(old.labels):
            new_filter.classes[:] = old_filter.classes
            self._known = old._known
            same = [
                new_filter.groups.members[i] == old_filter.groups.members[j]
                for i, j in zip(mine.tolist(), its.tolist(), strict=True)
            ]
            new_filter.unset[mine] = ~np.array(same, np.bool_) | old_filter.unset[its]
        self._expect()
        self._name_active()
        self._now_s, self._number = old._now_s, old._number
        added = np.ones(len(self.names), np.bool_)
        added[mine] = False
        self._since_s[added] = old._now_s or 0.0
        kept = set(self.names)
        self._ended = old._ended + [
            (name, float(score))
            for name, score, active in zip(old.names, old_filter.score, old._active, strict=True)
            if active and name not in kept
        ]

    def state(self) -> State:
        """All that is held of the past, for `resume`."""
        followed = self._filter
        return State(
            self._now_s,
            self._number,
            tuple(self._ended),
            packed(self._wish, "u1"),
            packed(self._active, "u1"),
            packed(followed.unset, "u1"),
            packed(followed.score, "<f8"),
            packed(self._crossed_s, "<f8"),
            packed(self._since_s, "<f8"),
            packed(self._effect_s, "<f8"),
            packed(followed.classes, "<f4"),
            self._known,
        )

    def resume(self, state: State) -> None:
        """Go on from where another decider with these rules and labels was. ValueError."""
        self._now_s, self._number, self._known = state.now_s, state.number, state.known
        self._ended = list(state.ended)
        rules, followed = len(self.names), self._filter
        self._wish = array(state.wish, "u1", rules) != 0
        self._active = array(state.active, "u1", rules) != 0
        followed.unset = array(state.unset, "u1", rules) != 0
        self._fresh = bool(followed.unset.any())
        followed.score = array(state.score, "<f8", rules)
        self._crossed_s = array(state.crossed_s, "<f8", rules)
        self._since_s = array(state.since_s, "<f8", rules)
        self._effect_s = array(state.effect_s, "<f8", rules)
        followed.classes = array(state.classes, "<f4", len(self.labels))
        self._expect()
        self._name_active()

    def _turn(self, before: Floats, now_s: float, held_s: float) -> None:
        """Apply the wishes that this frame changes, with the time of each change."""
        wish = self._filter.score >= self._threshold
        # In a loop: usually there is one, for which several numpy calls take longer.
        for place in np.flatnonzero(wish != self._wish).tolist():
            threshold = self._enter[place] if wish[place] else self._exit[place]
            self._crossed_s[place] = now_s - self._since_crossed_s(
                place, float(before[place]), float(threshold), held_s
            )
        self._wish = wish
        self._expect()

    def _since_crossed_s(self, place: int, before: float, threshold: float, held_s: float) -> float:
        """How long ago the score of a rule crossed its threshold, 0..`held_s`."""
        followed = self._filter
        rate, target = float(followed.rates[place]), float(followed.raw[place])
        way, rest = target - before, target - threshold
        if followed.unset[place]:
            return 0.0
        if math.isinf(rate):
            return held_s
        if way * rest <= 0.0:
            # An unfiltered score has no curve: its thresholds are new.
            return 0.0
        # target + (before - target) * exp(-rate * t) = threshold, solved for t.
        after_s = math.log(way / rest) / rate
        return held_s - min(max(after_s, 0.0), held_s)

    def _expect(self) -> None:
        """After a change of wishes: the threshold that ends each, and the states to follow."""
        self._threshold = np.where(self._wish, self._exit, self._enter)
        places = np.flatnonzero(self._wish != self._active).tolist()
        self._wait([(self._allowed_s(place), place) for place in places])

    def _wait(self, waiting: list[tuple[float, int]]) -> None:
        self._waiting = waiting
        self._due_s = min(waiting)[0] if waiting else math.inf

    def _change(self, number: int) -> list[Event]:
        now_s = self._now_s or 0.0
        by_s = now_s + ROUNDING_S
        due = [(at_s, place) for at_s, place in self._waiting if at_s <= by_s]
        if not due:
            return []
        self._wait([(at_s, place) for at_s, place in self._waiting if at_s > by_s])
        # Scenes of earlier frames, which other threads may still read, keep the old arrays.
        self._active, self._since_s = self._active.copy(), self._since_s.copy()
        events = []
        for at_s, place in due:
            active, crossed_s = bool(self._wish[place]), float(self._crossed_s[place])
            self._active[place] = active
            self._since_s[place] = crossed_s
            # Between this frame and the one before; in a longer gap it is unknown.
            effect_s = max(crossed_s, at_s)
            self._effect_s[place] = min(max(effect_s, now_s - HOLD_S), now_s)
            score = float(self._filter.score[place])
            events.append(Event(self.names[place], active, score, crossed_s, now_s, number))
        self._name_active()
        return events

    def _allowed_s(self, place: int) -> float:
        """The time from which a rule may change, given its minimum times."""
        least_s = self._min_on_s if self._active[place] else self._pause_s
        return float(self._effect_s[place] + least_s[place])

    def _end(self, number: int) -> list[Event]:
        now_s = self._now_s or 0.0
        ended, self._ended = self._ended, []
        return [Event(name, False, score, now_s, now_s, number) for name, score in ended]

    def _name_active(self) -> None:
        self._active_places = np.flatnonzero(self._active).tolist()
        self._active_names = tuple(self.names[place] for place in self._active_places)

    def _scene(self) -> tuple[str, float]:
        if self._active_places:
            place = max(self._active_places, key=lambda place: self._filter.score[place])
            return self.names[place], self._filter.score[place]
        score = self._filter.classes[self._best]
        if self._best in self._empty:
            return NOTHING, score
        strange = self._known is not None and self._known < self._unknown_share
        if strange or score < self._unknown_below:
            return UNKNOWN, score
        return self.labels[self._best], score


def _fits(rule: RuleConfig, index: LabelIndex) -> bool:
    """Whether a rule is kept: one from the web page may be for another model."""
    if not isinstance(rule, SavedRule):
        return True
    try:
        _members([rule], index)
    except ConfigError as error:
        log.error("%s; the rule was created on the web page, and is ignored", error)
        return False
    return True


def _members(rules: Sequence[RuleConfig], index: LabelIndex) -> list[tuple[str, tuple[int, ...]]]:
    members: list[tuple[str, tuple[int, ...]]] = []
    problems: list[str] = []
    for rule in rules:
        classes, wrong = index.classes(rule.labels, rule.match)
        problems += [f"rule {shown(rule.name)}: {error}" for error in wrong]
        if len(problems) > PROBLEMS_LIMIT:
            problems[-1] = "there are more wrong labels; correct these first"
            break
        members.append((rule.combine, tuple(sorted(classes))))
    if problems:
        raise ConfigError("\n".join(problems))
    return members


def _rates(smoothing_s: Floats) -> Floats:
    """1 / seconds; infinite without smoothing."""
    with np.errstate(divide="ignore"):
        return 1.0 / smoothing_s
