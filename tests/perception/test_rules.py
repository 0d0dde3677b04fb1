"""What rules hold over time: the same at any frame rate, whatever the clock on the wall says."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import NOTHING, UNKNOWN, VIEW_LABELS, Event
from edged.errors import ConfigError
from edged.perception.rules import HOLD_S, Decider

LABELS = ["background", "cat", "dog", "tabby, tabby cat"]
PLAIN = DecideConfig(enter=0.6, exit=0.4, smoothing_s=0.0)


def rule(name: str = "cat", **options: Any) -> RuleConfig:
    return RuleConfig(**{"name": name, "labels": [name], **options})


def scores(cat: float = 0.0, dog: float = 0.0, background: float = 0.0) -> np.ndarray:
    return np.array([background, cat, dog, 0.0], np.float32)


def run(
    decider: Decider, cat: Sequence[float], period_s: float = 0.5, start_s: float = 0.0
) -> list[Event]:
    """The events of a cat that scores `cat`, frame by frame."""
    frames = [decider.decide(scores(x), start_s + k * period_s, k) for k, x in enumerate(cat)]
    return [event for _, events in frames for event in events]


def told(events: Sequence[Event]) -> list[tuple[bool, float]]:
    return [(event.active, event.decided_s) for event in events]


# The same events at any frame rate.


@dataclass(frozen=True)
class Signal:
    """A score that jumps: levels and how long each lasts."""

    levels: tuple[float, ...]
    durations_s: tuple[float, ...]

    def at(self, time_s: float) -> float:
        ends = itertools.accumulate(self.durations_s)
        return next((x for x, end in zip(self.levels, ends, strict=True) if time_s < end), 0.0)

    @property
    def end_s(self) -> float:
        return sum(self.durations_s)


@dataclass(frozen=True)
class Ideal:
    """An event as an endless frame rate would have it."""

    active: bool
    onset_s: float
    effect_s: float


def ideal_events(signal: Signal, config: RuleConfig, apart_s: float) -> list[Ideal]:
    """In continuous time; cases where two times compete within `apart_s` are left out."""
    enter, exit_, tau = config.enter, config.exit, config.smoothing_s
    assert enter is not None
    assert exit_ is not None
    assert tau is not None
    wishes: list[tuple[float, bool]] = []
    wish, score, now_s = False, signal.levels[0], 0.0
    for level, duration_s in zip(signal.levels, signal.durations_s, strict=True):
        threshold = exit_ if wish else enter
        if (level < exit_) if wish else (level >= enter):
            away = (level - score) / (level - threshold) if score != level else 1.0
            wish = not wish
            wishes.append((now_s + tau * math.log(away), wish))
        score = level + (score - level) * math.exp(-duration_s / tau) if tau else level
        now_s += duration_s
    events: list[Ideal] = []
    active, effect_s = False, -math.inf
    ends_s = [time_s for time_s, _ in [*wishes, (signal.end_s, False)]][1:]
    for (onset_s, wish), end_s in zip(wishes, ends_s, strict=True):
        pause_s = max(config.min_off_s or 0.0, config.cooldown_s or 0.0)
        allowed_s = effect_s + ((config.min_on_s or 0.0) if active else pause_s)
        assume(abs(allowed_s - end_s) > apart_s)
        if wish != active and allowed_s < end_s:
            active, effect_s = wish, max(onset_s, allowed_s)
            events.append(Ideal(active, onset_s, effect_s))
    return events


@st.composite
def rules_and_signals(draw: st.DrawFn) -> tuple[RuleConfig, Signal]:
    hundredths = st.integers(5, 95).map(lambda n: n / 100)
    exit_, enter = sorted((draw(hundredths), draw(hundredths)))
    waits_s = st.one_of(st.just(0.0), st.floats(0.0, 12.0))
    config = rule(
        enter=enter,
        exit=exit_,
        smoothing_s=draw(st.one_of(st.just(0.0), st.floats(0.01, 0.5))),
        min_on_s=draw(waits_s),
        min_off_s=draw(waits_s),
        cooldown_s=draw(waits_s),
    )
    levels = st.floats(0.0, 1.0, width=32).filter(
        lambda x: min(abs(x - enter), abs(x - exit_)) > 0.04
    )
    # Six seconds and more: the score settles, and each wish is seen at 2 fps.
    segments = draw(st.lists(st.tuples(levels, st.floats(6.0, 12.0)), min_size=1, max_size=5))
    return config, Signal(tuple(x for x, _ in segments), tuple(d for _, d in segments))


def frame_times(draw: st.DataObject, fps: float, end_s: float) -> list[float]:
    """A first frame at 0, then at a phase of their own, each up to a fifth early or late."""
    count = int(end_s * fps) + 1
    phase = draw.draw(st.floats(0.3, 1.0))
    jitter = np.random.default_rng(draw.draw(st.integers(0, 9))).uniform(-0.2, 0.2, count)
    jitter *= draw.draw(st.sampled_from([0.0, 1.0]))
    times_s = (np.arange(count) + phase + jitter) / fps
    return [0.0, *times_s[times_s < end_s].tolist()]


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(rules_and_signals(), st.data())
def test_two_ten_and_thirty_frames_a_second_give_the_same_events_within_a_frame_time(
    given_: tuple[RuleConfig, Signal], data: st.DataObject
) -> None:
    config, signal = given_
    ideal = ideal_events(signal, config, apart_s=0.8)
    for fps in (2.0, 10.0, 30.0):
        times_s = frame_times(data, fps, signal.end_s)
        frame_s = max(b - a for a, b in itertools.pairwise([*times_s, signal.end_s])) + 1e-3
        decider = Decider([config], PLAIN, LABELS)
        events: list[Event] = []
        for number, at_s in enumerate(times_s):
            events += decider.decide(scores(signal.at(at_s)), at_s, number)[1]
        assert [event.active for event in events] == [event.active for event in ideal]
        for event, true in zip(events, ideal, strict=True):
            assert true.onset_s - frame_s < event.onset_s < true.onset_s + 1e-3
            assert abs(event.decided_s - true.effect_s) < frame_s


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.0, width=32), st.integers(1, 2000)), max_size=60),
    st.integers(0, 2**20),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.sampled_from([0.0, 1.5]),
)
def test_when_it_happens_makes_no_difference(
    frames: list[tuple[float, int]], shift_s: int, smoothing_s: float, wait_s: float
) -> None:
    config = rule(smoothing_s=smoothing_s, min_on_s=wait_s, min_off_s=wait_s / 2)

    def events(start_s: float) -> list[Event]:
        decider = Decider([config], PLAIN, LABELS)
        found: list[Event] = []
        at_s = start_s
        for number, (score, step) in enumerate(frames):
            at_s += step / 1024
            found += decider.decide(scores(score), at_s, number)[1]
        return found

    here, there = events(0.0), events(float(shift_s))
    assert [(e.active, e.frame) for e in here] == [(e.active, e.frame) for e in there]
    for a, b in zip(here, there, strict=True):
        assert b.decided_s - a.decided_s == shift_s
        assert b.onset_s - a.onset_s == pytest.approx(shift_s, abs=1e-6)


def test_no_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> float:
        raise AssertionError("a clock was read")

    decider = Decider([rule()], PLAIN, LABELS)
    for clock in ("time", "monotonic", "perf_counter", "time_ns", "monotonic_ns"):
        monkeypatch.setattr(time, clock, refuse)
    events = run(decider, [0, 1, 0])
    monkeypatch.undo()
    assert len(events) == 2


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1.0, width=32),
            st.one_of(st.floats(0.0, 0.5), st.floats(-1.0, 0.0), st.floats(1.0, 1000.0)),
        ),
        max_size=80,
    ),
    st.sampled_from([0.0, 0.2, 3.0]),
    st.sampled_from([0.0, 0.7]),
    st.sampled_from([0.0, 0.9]),
    st.sampled_from([0.0, 1.3]),
)
@example([(1.0, 0.0), (0.0, 0.0), (0.0, 2.0), (1.0, 0.0)], 0.0, 0.7, 0.0, 1.3)
def test_whatever_the_frames_states_alternate_and_last(
    frames: list[tuple[float, float]],
    smoothing_s: float,
    min_on_s: float,
    min_off_s: float,
    cooldown_s: float,
) -> None:
    config = rule(
        smoothing_s=smoothing_s, min_on_s=min_on_s, min_off_s=min_off_s, cooldown_s=cooldown_s
    )
    decider = Decider([config], PLAIN, LABELS)
    now_s, latest_s = 100.0, -math.inf
    frame_s = {0: 0.0}
    events: list[Event] = []
    for number, (score, step_s) in enumerate(frames):
        now_s += step_s
        frame_s[number] = min(max(now_s - latest_s, 0.0), HOLD_S) if number else 0.0
        latest_s = max(now_s, latest_s)
        scene, new = decider.decide(scores(score), now_s, number)
        events += new
        (state,) = scene.rules
        assert 0.0 <= state.score <= 1.0
        assert state.active == bool(events and events[-1].active)
        assert all(event.decided_s == latest_s for event in new)
    assert [event.active for event in events] == [k % 2 == 0 for k in range(len(events))]
    for event in events:
        assert event.onset_s <= event.decided_s
    for before, after in itertools.pairwise(events):
        least_s = min_on_s if before.active else max(min_off_s, cooldown_s)
        # The state took effect between the deciding frame and the one before.
        lasted_s = after.decided_s - before.decided_s
        assert lasted_s >= least_s - frame_s[before.frame] - 1e-5


# Smoothing.


def test_the_score_approaches_as_the_filter_says() -> None:
    decider = Decider([rule(smoothing_s=2.0)], PLAIN, LABELS)
    decider.decide(scores(0.0), 0.0, 0)
    scene, _ = decider.decide(scores(1.0), 0.5, 1)
    assert scene.rules[0].score == pytest.approx(1 - math.exp(-0.25))


def test_a_step_gives_the_same_score_in_one_frame_or_in_many() -> None:
    once = Decider([rule(smoothing_s=0.7)], PLAIN, LABELS)
    often = Decider([rule(smoothing_s=0.7)], PLAIN, LABELS)
    for decider, times_s in ((once, [0.9]), (often, [0.1, 0.15, 0.6, 0.9])):
        decider.decide(scores(0.2), 0.0, 0)
        for at_s in times_s:
            scene, _ = decider.decide(scores(0.8), at_s, 1)
        assert scene.rules[0].score == pytest.approx(0.8 - 0.6 * math.exp(-0.9 / 0.7))


def test_the_onset_is_where_the_curve_crosses_the_threshold() -> None:
    decider = Decider([rule(smoothing_s=1.0)], PLAIN, LABELS)
    (on, off) = run(decider, [0, 0, 1, 1, 1, 0, 0], period_s=1.0)
    assert on.onset_s == pytest.approx(1.0 + math.log(1 / 0.4))
    assert (on.decided_s, on.frame) == (2.0, 2)
    peak = 1 - math.exp(-3)
    assert off.onset_s == pytest.approx(4.0 + math.log(peak / 0.4))
    assert off.score == pytest.approx(peak * math.exp(-1))


def test_after_an_outage_a_frame_counts_for_a_second_and_not_for_the_outage() -> None:
    decider = Decider([rule(smoothing_s=5.0)], PLAIN, LABELS)
    decider.decide(scores(0.0), 0.0, 0)
    scene, events = decider.decide(scores(1.0), 3600.0, 1)
    assert scene.rules[0].score == pytest.approx(1 - math.exp(-HOLD_S / 5.0))
    assert events == ()


def test_an_active_rule_outlasts_an_outage_until_frames_say_otherwise() -> None:
    decider = Decider([rule(smoothing_s=5.0)], PLAIN, LABELS)
    run(decider, [1.0])
    scene, events = decider.decide(scores(0.0), 3600.0, 1)
    assert scene.rules[0].active
    assert events == ()


def test_a_frame_that_is_not_newer_counts_for_no_time() -> None:
    decider = Decider([rule(smoothing_s=1.0)], PLAIN, LABELS)
    decider.decide(scores(0.5), 10.0, 0)
    for at_s in (10.0, 9.0):
        scene, _ = decider.decide(scores(1.0), at_s, 1)
        assert scene.rules[0].score == pytest.approx(0.5)


# Thresholds and times.


def test_between_exit_and_enter_nothing_changes() -> None:
    assert told(run(Decider([rule()], PLAIN, LABELS), [0.5, 0.6, 0.5, 0.4, 0.39, 0.5])) == [
        (True, 0.5),
        (False, 2.0),
    ]


def test_a_rule_takes_what_it_does_not_say_from_the_defaults() -> None:
    decider = Decider([rule(enter=0.9)], PLAIN, LABELS)
    assert told(run(decider, [0.8, 0.9, 0.5, 0.39])) == [(True, 0.5), (False, 1.5)]


def test_an_active_rule_stays_so_for_its_time() -> None:
    decider = Decider([rule(min_on_s=2.0)], PLAIN, LABELS)
    events = run(decider, [0, 1, 0, 0, 0, 0, 0])
    assert told(events) == [(True, 0.5), (False, 2.0)]
    assert [event.onset_s for event in events] == [0.0, 0.5]


@pytest.mark.parametrize("option", ["min_off_s", "cooldown_s"])
def test_an_ended_rule_stays_inactive_for_its_time(option: str) -> None:
    decider = Decider([rule("cat", **{option: 2.0})], PLAIN, LABELS)
    events = run(decider, [1, 0, 1, 1, 1, 1, 1])
    assert told(events) == [(True, 0.0), (False, 0.5), (True, 2.0)]
    assert events[2].onset_s == 0.5


def test_the_first_activation_waits_for_nothing() -> None:
    decider = Decider([rule(min_off_s=9.0, cooldown_s=9.0)], PLAIN, LABELS)
    assert told(run(decider, [0, 1])) == [(True, 0.5)]


def test_a_wish_that_is_gone_before_it_may_be_leaves_no_event() -> None:
    decider = Decider([rule(cooldown_s=5.0)], PLAIN, LABELS)
    assert told(run(decider, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])) == [(True, 0), (False, 0.5)]
    decider = Decider([rule(min_on_s=5.0)], PLAIN, LABELS)
    assert told(run(decider, [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])) == [(True, 0)]


def test_a_state_is_since_its_onset() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    states = [decider.decide(scores(x), k * 1.0, k)[0].rules[0] for k, x in enumerate([0, 1, 1])]
    assert [(state.active, state.since_s) for state in states] == [(False, 0), (True, 0), (True, 0)]


# Groups and scenes.


def test_a_group_is_its_best_label_or_their_sum() -> None:
    rules = [
        rule("best", labels=["cat", "dog"]),
        rule("both", labels=["cat", "dog", "CAT"], combine="sum"),
        rule("dog"),
    ]
    scene, _ = Decider(rules, PLAIN, LABELS).decide(scores(cat=0.25, dog=0.5), 0.0, 0)
    assert [state.score for state in scene.rules] == [0.5, 0.75, 0.5]
    assert [state.rule for state in scene.rules] == ["best", "both", "dog"]
    scene, _ = Decider(rules, PLAIN, LABELS).decide(scores(cat=0.75, dog=0.75), 0.0, 0)
    assert [state.score for state in scene.rules] == [0.75, 1.0, 0.75]


def test_many_rules_decide_as_each_alone() -> None:
    random = np.random.default_rng(1)
    rules = [
        rule(
            f"rule{n}",
            labels=[str(label) for label in random.choice(LABELS, 1 + n % 3, replace=False)],
            combine="sum" if n % 2 else "max",
            smoothing_s=float(random.choice([0.0, 0.5])),
            min_on_s=float(random.choice([0.0, 1.0])),
        )
        for n in range(50)
    ]
    together = Decider(rules, PLAIN, LABELS)
    alone = [Decider([config], PLAIN, LABELS) for config in rules]
    for number in range(60):
        seen = random.random(len(LABELS), np.float32)
        scene, events = together.decide(seen, number / 4, number)
        single = [decider.decide(seen, number / 4, number) for decider in alone]
        assert tuple(scene.rules) == tuple(one.rules[0] for one, _ in single)
        assert events == tuple(event for _, found in single for event in found)


@pytest.mark.parametrize(
    ("given_scores", "name"),
    [
        (scores(cat=0.7), "a cat"),
        (scores(cat=0.7, background=0.8), "a cat"),
        (scores(cat=0.5), "cat"),
        (scores(dog=0.9), "dog"),
        (scores(dog=0.3), "dog"),
        (scores(dog=0.2), UNKNOWN),
        (scores(dog=0.2, background=0.3), NOTHING),
        (scores(background=0.1), NOTHING),
    ],
)
def test_the_scene_is_the_best_rule_or_label_or_unknown_or_nothing(
    given_scores: np.ndarray, name: str
) -> None:
    decider = Decider([rule("a cat", labels=["cat"])], PLAIN, LABELS)
    scene, _ = decider.decide(given_scores, 0.0, 0)
    assert scene.name == name


def test_the_best_active_rule_names_the_scene() -> None:
    decider = Decider([rule("cat"), rule("dog")], PLAIN, LABELS)
    names = [
        decider.decide(scores(cat=c, dog=d), at_s, 0)[0].name
        for at_s, (c, d) in enumerate([(0.7, 0.5), (0.7, 0.8), (0.45, 0.1), (0.2, 0.5)])
    ]
    assert names == ["cat", "dog", "cat", "dog"]


def test_the_scene_does_not_flicker() -> None:
    defaults = DecideConfig(smoothing_s=1.0)
    decider = Decider([], defaults, LABELS)
    names = [
        decider.decide(scores(cat=0.5 + 0.1 * (-1) ** k, dog=0.5), k / 30, k)[0].name
        for k in range(60)
    ]
    assert names == ["cat"] * 60


def test_nothing_may_be_any_label_and_one_that_the_model_has_not() -> None:
    decider = Decider([], DecideConfig(nothing=["absent", "Dog"]), LABELS)
    assert decider.decide(scores(dog=0.9), 0.0, 0)[0].name == NOTHING


def test_a_scene_names_its_active_rules_and_does_not_change_with_later_frames() -> None:
    decider = Decider(
        [rule("first", labels=["cat"]), rule("second", labels=["dog"])], PLAIN, LABELS
    )
    decider.decide(scores(cat=1.0, dog=1.0), 0.0, 0)
    earlier, _ = decider.decide(scores(cat=1.0, dog=1.0), 1.0, 1)
    assert earlier.active == ("first", "second")
    later, _ = decider.decide(scores(dog=1.0), 2.0, 2)
    assert later.active == ("second",)
    assert earlier.active == ("first", "second")
    assert [state.active for state in earlier.rules] == [True, True]
    assert [state.since_s for state in earlier.rules] == [0.0, 0.0]
    assert later.rules[0].since_s == 1.0
    assert later.rules[-1] == later.rules[0:][1]


# Labels.


def test_labels_that_the_model_has_not_are_all_named() -> None:
    rules = [rule("pets", labels=["catt", "dog"]), rule("x", labels=["zebra"])]
    with pytest.raises(ConfigError) as caught:
        Decider(rules, PLAIN, LABELS)
    assert str(caught.value).split("\n") == [
        'rule "pets": the model has no label "catt"; did you mean cat?',
        'rule "x": the model has no label "zebra"',
    ]


# Reload.


def test_a_rule_that_is_not_changed_goes_on() -> None:
    old = Decider([rule(smoothing_s=1.0, cooldown_s=5.0)], PLAIN, LABELS)
    run(old, [1, 1, 1])
    new = Decider([rule("dog"), rule(smoothing_s=1.0, cooldown_s=5.0)], PLAIN, LABELS)
    new.succeed(old)
    scene, events = new.decide(scores(0.0), 1.5, 3)
    assert events == ()
    assert scene.rules[1].active
    assert scene.rules[1].score == pytest.approx(math.exp(-0.5))
    assert scene.rules[1].since_s == 0.0


def test_a_rule_with_other_thresholds_keeps_its_state_until_they_say_otherwise() -> None:
    old = Decider([rule()], PLAIN, LABELS)
    run(old, [0.7])
    new = Decider([rule(enter=0.9, exit=0.8)], PLAIN, LABELS)
    new.succeed(old)
    (event,) = new.decide(scores(0.7), 0.5, 1)[1]
    assert (event.rule, event.active, event.decided_s) == ("cat", False, 0.5)


def test_a_rule_with_other_labels_begins_its_score_anew() -> None:
    old = Decider([rule(smoothing_s=9.0)], PLAIN, LABELS)
    run(old, [1.0])
    new = Decider([rule(labels=["dog"], smoothing_s=9.0)], PLAIN, LABELS)
    new.succeed(old)
    scene, (event,) = new.decide(scores(dog=0.1), 0.5, 1)
    assert scene.rules[0].score == pytest.approx(0.1)
    assert (event.active, event.onset_s) == (False, 0.5)


def test_an_active_rule_that_is_gone_becomes_inactive() -> None:
    old = Decider([rule(), rule("dog")], PLAIN, LABELS)
    run(old, [1.0])
    new = Decider([rule("dog")], PLAIN, LABELS)
    new.succeed(old)
    scene, (event,) = new.decide(scores(1.0), 0.5, 1)
    assert event == Event("cat", False, 1.0, 0.5, 0.5, 1)
    assert [state.rule for state in scene.rules] == ["dog"]
    assert new.decide(scores(1.0), 1.0, 2)[1] == ()


def test_another_model_keeps_what_is_active_and_begins_the_scores_anew() -> None:
    old = Decider([rule(min_on_s=60.0)], PLAIN, LABELS)
    run(old, [1.0])
    new = Decider([rule(min_on_s=60.0)], PLAIN, ["cat", "dog"])
    new.succeed(old)
    scene, events = new.decide(np.array([0.0, 0.9], np.float32), 0.5, 1)
    assert scene.rules[0].active
    assert scene.rules[0].score == 0.0
    assert events == ()


def test_an_inactive_rule_that_is_gone_leaves_no_event() -> None:
    old = Decider([rule("dog")], PLAIN, LABELS)
    run(old, [1.0])
    new = Decider([rule()], PLAIN, LABELS)
    new.succeed(old)
    assert new.decide(scores(0.0), 0.5, 1)[1] == ()


def test_a_rule_that_is_new_is_inactive_since_the_reload() -> None:
    old = Decider([rule()], PLAIN, LABELS)
    run(old, [0.0, 0.0], start_s=7.0)
    new = Decider([rule(), rule("dog")], PLAIN, LABELS)
    new.succeed(old)
    scene, _ = new.decide(scores(0.0), 9.0, 2)
    assert [state.since_s for state in scene.rules] == [7.0, 7.5]


def test_a_wish_that_waits_goes_on_waiting_after_a_reload() -> None:
    old = Decider([rule(min_on_s=5.0)], PLAIN, LABELS)
    run(old, [1.0, 0.0])
    new = Decider([rule(min_on_s=5.0)], PLAIN, LABELS)
    new.succeed(old)
    assert new.decide(scores(0.0), 4.9, 2)[1] == ()
    (event,) = new.decide(scores(0.0), 5.0, 3)[1]
    assert (event.active, event.onset_s) == (False, 0.0)


def test_the_scene_goes_on_smoothly_after_a_reload() -> None:
    defaults = DecideConfig(smoothing_s=1.0)
    old = Decider([], defaults, LABELS)
    run(old, [1.0])
    new = Decider([], defaults, LABELS)
    new.succeed(old)
    assert new.decide(scores(dog=1.0), 0.1, 1)[0].name == "cat"


@pytest.mark.parametrize("enter", [0.7, 0.8])
def test_a_score_that_lies_still_crosses_new_thresholds_at_the_first_frame(enter: float) -> None:
    old = Decider([rule(enter=0.9, smoothing_s=1.0)], PLAIN, LABELS)
    run(old, [0.8, 0.8])
    new = Decider([rule(enter=enter, smoothing_s=1.0)], PLAIN, LABELS)
    new.succeed(old)
    (event,) = new.decide(scores(0.8), 1.0, 2)[1]
    assert (event.active, event.onset_s) == (True, 1.0)


# The scene's own filter, and what a rule is before anything happens.


def test_labels_are_smoothed_with_the_time_of_the_defaults() -> None:
    decider = Decider([], DecideConfig(smoothing_s=0.25), LABELS)
    run(decider, [1.0])
    # 1 - exp(-0.2 / 0.25) of the way.
    assert decider.decide(scores(dog=1.0), 0.2, 1)[0].name == "dog"


def test_a_rule_is_inactive_since_the_first_frame() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    scenes = [decider.decide(scores(0.0), at_s, 0)[0] for at_s in (5.0, 6.0)]
    assert [scene.rules[0].since_s for scene in scenes] == [5.0, 5.0]


@pytest.mark.parametrize(
    ("wrong", "last"), [(20, "label19"), (21, "more wrong labels"), (30, "more wrong labels")]
)
def test_of_very_many_wrong_labels_twenty_are_named(wrong: int, last: str) -> None:
    rules = [rule(f"r{n}", labels=[f"label{n}"]) for n in range(wrong)]
    with pytest.raises(ConfigError) as caught:
        Decider(rules, PLAIN, LABELS)
    lines = str(caught.value).split("\n")
    assert len(lines) == min(wrong, 21)
    assert last in lines[-1]


def test_an_inactive_rule_never_names_the_scene() -> None:
    rules = [rule("absent", labels=["background"]), rule("cat"), rule("dog")]
    scene, _ = Decider(rules, PLAIN, LABELS).decide(scores(cat=0.7, dog=0.9), 0.0, 0)
    assert (scene.name, scene.active) == ("dog", ("cat", "dog"))


# Ended though no frame says so.


def test_after_an_end_the_first_frame_counts_as_it_is() -> None:
    decider = Decider([rule(smoothing_s=1.0)], PLAIN, LABELS)
    run(decider, [0.9] * 20)
    [ended] = decider.end(20.0, "camera")
    assert (ended.active, ended.frame, ended.decided_s, ended.reason) == (False, 19, 20.0, "camera")
    assert ended.score == pytest.approx(0.9)
    scene, events = decider.decide(scores(cat=0.1), 21.0, 20)
    assert scene.rules[0].score == pytest.approx(0.1)
    assert scene.rules[0].since_s == 21.0
    assert events == ()
    [began] = run(decider, [0.9] * 20, start_s=22.0)
    assert began.active


def test_a_cooldown_counts_from_the_end() -> None:
    decider = Decider([rule(cooldown_s=10.0)], PLAIN, LABELS)
    assert told(run(decider, [0.9])) == [(True, 0.0)]
    decider.end(5.0, "camera")
    assert told(run(decider, [0.9] * 40, start_s=6.0)) == [(True, 15.0)]


def test_before_the_first_frame_nothing_ends() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    assert decider.end(1.0, "stop") == ()


def test_a_rule_that_a_reload_took_away_ends_once_with_the_frame_that_was_last() -> None:
    old = Decider([rule(), rule("dog")], PLAIN, LABELS)
    old.decide(scores(cat=0.9, dog=0.9), 0.0, 7)
    new = Decider([rule("dog")], PLAIN, LABELS)
    new.succeed(old)
    ended = new.end(1.0, "stop")
    assert sorted((event.rule, event.frame, event.active) for event in ended) == [
        ("cat", 7, False),
        ("dog", 7, False),
    ]
    assert new.end(2.0, "stop") == ()


# What is different from normal.

VIEW = [*LABELS, *VIEW_LABELS]


def view_scores(different: float, cat: float = 0.0) -> np.ndarray:
    return np.concatenate([scores(cat), [different, 0.0, 0.0, 0.0]]).astype(np.float32)


def test_no_scene_is_named_after_what_is_different() -> None:
    decider = Decider([], PLAIN, VIEW)
    scene, _ = decider.decide(view_scores(0.9, cat=0.5), 0.0, 0)
    assert (scene.name, scene.score) == ("cat", 0.5)


def test_a_rule_on_what_is_different_names_the_scene() -> None:
    decider = Decider([rule("odd", labels=["different"])], PLAIN, VIEW)
    scene, (event,) = decider.decide(view_scores(0.9, cat=0.5), 0.0, 0)
    assert (scene.name, event.rule) == ("odd", "odd")


def test_what_the_model_does_not_know_may_be_different_all_the_same() -> None:
    rules = [rule("odd", labels=["different"]), rule("cat")]
    decider = Decider(rules, PLAIN, VIEW)
    scene, _ = decider.decide(view_scores(0.9, cat=0.9), 0.0, 0, 0.0)
    assert scene.active == ("odd",)


# What looks unknown.


def seen(decider: Decider, cat: float, known: float | None, at_s: float) -> list[Event]:
    return list(decider.decide(scores(cat=cat), at_s, 1, known)[1])


def test_a_frame_that_looks_unknown_makes_no_rule_active() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    assert seen(decider, 0.9, 0.04, 0.0) == []
    [event] = seen(decider, 0.9, 0.06, 1.0)
    assert event.active


def test_a_frame_that_looks_unknown_ends_no_active_rule_but_a_low_score_does() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    assert told(seen(decider, 0.9, 0.5, 0.0)) == [(True, 0.0)]
    assert seen(decider, 0.9, 0.0, 1.0) == []
    assert told(seen(decider, 0.3, 0.0, 2.0)) == [(False, 2.0)]


def test_a_rule_that_is_not_known_only_counts_every_frame() -> None:
    decider = Decider([rule(known_only=False)], PLAIN, LABELS)
    assert told(seen(decider, 0.9, 0.0, 0.0)) == [(True, 0.0)]


def test_where_nobody_tells_how_known_it_looks_rules_count_every_frame() -> None:
    decider = Decider([rule()], PLAIN, LABELS)
    assert told(seen(decider, 0.9, None, 0.0)) == [(True, 0.0)]


def test_frames_that_look_unknown_count_as_zero_over_time() -> None:
    # Half of the time known, at 0.9: the filtered score comes to 0.45, below what a rule needs.
    decider = Decider([rule(smoothing_s=5.0)], PLAIN, LABELS)
    found = [seen(decider, 0.9, 0.5 if k % 2 else 0.0, 0.1 * k) for k in range(500)]
    assert not any(found)
    [state] = decider.decide(scores(cat=0.9), 50.0, 500, 0.5)[0].rules
    assert state.score == pytest.approx(0.45, abs=0.03)


@pytest.mark.parametrize(("known", "name"), [(0.0, UNKNOWN), (0.049, UNKNOWN), (0.05, "cat")])
def test_a_scene_that_looks_unknown_is_unknown(known: float, name: str) -> None:
    scene, _ = Decider([], PLAIN, LABELS).decide(scores(cat=0.9), 0.0, 1, known)
    assert scene.name == name


def test_an_empty_scene_is_nothing_however_it_looks() -> None:
    scene, _ = Decider([], PLAIN, LABELS).decide(scores(background=0.9), 0.0, 1, 0.0)
    assert scene.name == NOTHING


def test_how_known_a_scene_looks_is_smoothed_as_its_scores_are() -> None:
    decider = Decider([], DecideConfig(smoothing_s=1.0), LABELS)
    names = [
        decider.decide(scores(cat=0.9), 0.1 * k, k, 0.2 if k < 5 else 0.0)[0].name
        for k in range(40)
    ]
    # 0.2 falls below 0.05 after ln 4 = 1.39 s.
    assert names == ["cat"] * 18 + [UNKNOWN] * 22


# What is held can be taken from one decider to another.


@settings(max_examples=60)
@given(
    options=st.lists(
        st.fixed_dictionaries(
            {
                "smoothing_s": st.sampled_from([0.0, 0.3, 2.0]),
                "min_on_s": st.sampled_from([0.0, 1.5]),
                "cooldown_s": st.sampled_from([0.0, 2.0]),
                "combine": st.sampled_from(["max", "sum"]),
            }
        ),
        min_size=0,
        max_size=4,
    ),
    levels=st.lists(st.tuples(*[st.floats(0.0, 1.0, width=32)] * 3), min_size=2, max_size=40),
    at=st.integers(0, 39),
    ends=st.integers(0, 60),
)
def test_another_decider_goes_on_exactly_from_what_one_holds(
    options: list[dict[str, Any]], levels: list[tuple[float, float, float]], at: int, ends: int
) -> None:
    rules = [rule(f"r{n}", labels=["cat", "dog"], **given) for n, given in enumerate(options)]
    one, other = (Decider(rules, DecideConfig(), LABELS) for _ in range(2))
    for place, level in enumerate(levels):
        if place == min(at, len(levels) - 1):
            other.resume(one.state())
            assert other.state() == one.state()
        if place == ends:
            one.end(place * 0.3, "camera")
            other.resume(one.state())
        told = one.decide(scores(*level), place * 0.3, place)
        if place >= min(at, len(levels) - 1):
            scene, events = other.decide(scores(*level), place * 0.3, place)
            assert (scene.name, scene.score, scene.active) == (
                told[0].name,
                told[0].score,
                told[0].active,
            )
            assert tuple(scene.rules) == tuple(told[0].rules)
            assert events == told[1]


def test_a_rule_that_is_gone_and_whose_end_is_not_told_yet_is_held_too() -> None:
    old = Decider([rule("cat"), rule("dog")], PLAIN, LABELS)
    old.decide(scores(cat=0.9), 0.0, 1)
    old.decide(scores(cat=0.9), 0.1, 2)
    new = Decider([rule("dog")], PLAIN, LABELS)
    new.succeed(old)
    other = Decider([rule("dog")], PLAIN, LABELS)
    other.resume(new.state())
    _, events = other.decide(scores(cat=0.9), 0.2, 3)
    assert [(event.rule, event.active) for event in events] == [("cat", False)]


def test_what_is_held_fits_its_own_rules_and_labels_alone() -> None:
    state = Decider([rule("cat")], PLAIN, LABELS).state()
    for rules, labels in (([rule("cat"), rule("dog")], LABELS), ([rule("cat")], LABELS[:3])):
        with pytest.raises(ValueError, match=r"\d values for \d"):
            Decider(rules, PLAIN, labels).resume(state)
