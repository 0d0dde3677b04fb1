"""What was decided once is decided again, to the last bit; by other rules, it is decided anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Event
from edged.errors import ConfigError
from edged.recording.lane import BACKLOG
from edged.recording.reader import Recording
from edged.recording.records import RecordingError, Seen, Setup
from edged.recording.replay import Rules, replay, same
from edged.recording.writer import Writer
from tests.recording.made import LABELS, Counted, Loop, waiting, written

PLAIN = DecideConfig(enter=0.6, exit=0.4, smoothing_s=0.0)
CAT = RuleConfig(name="cat", labels=["cat"])


def compared(path: Path, instead: Rules | None = None) -> Counted:
    comparison = Counted()
    with Recording(path) as recording:
        for step in replay(recording, recording.name, instead):
            comparison.add(step)
    comparison.lost = recording.lost
    return comparison


def made(path: Path, instead: Rules | None = None) -> list[tuple[str, bool]]:
    with Recording(path) as recording:
        steps = replay(recording, recording.name, instead)
        return [(event.rule, event.active) for step in steps for event in step.made]


def some_rules(chance: random.Random, labels: tuple[str, ...]) -> list[RuleConfig]:
    def times_s() -> float:
        return chance.choice([0.0, 0.0, chance.uniform(0.0, 1.5)])

    rules = []
    for number in range(chance.randint(1, 5)):
        exit_, enter = sorted(chance.uniform(0.05, 0.95) for _ in range(2))
        rules.append(
            RuleConfig(
                name=f"rule-{number}",
                labels=chance.sample(labels, chance.randint(1, len(labels))),
                combine=chance.choice(["max", "sum"]),
                enter=enter,
                exit=exit_,
                smoothing_s=chance.choice([0.0, chance.uniform(0.02, 1.0)]),
                min_on_s=times_s(),
                min_off_s=times_s(),
                cooldown_s=times_s(),
            )
        )
    return rules


def live(loop: Loop, chance: random.Random, frames: int) -> None:
    """What a day has: scores that wander and jump, pauses, lost cameras, reloads, other labels."""
    labels = LABELS
    level = [chance.random() for _ in labels]
    for _ in range(frames):
        if chance.random() < 0.2:
            level = [chance.random() for _ in labels]
        noisy = [min(1.0, max(0.0, x + chance.gauss(0.0, 0.1))) for x in level]
        loop.frame(noisy, chance.choice([0.033, 0.1, chance.uniform(0.0, 0.3), 2.5]))
        if chance.random() < 0.01:
            loop.end()
        if chance.random() < 0.01:
            labels = tuple(chance.sample(LABELS, 4)) if chance.random() < 0.3 else labels
            loop.reload(some_rules(chance, labels), labels=labels)


def test_a_thousand_events_of_a_thousand_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    chance = random.Random(18)  # noqa: S311
    loop = Loop(some_rules(chance, LABELS))
    # Whoever begins to record finds rules that hold, filters that are full and times that run.
    live(loop, chance, 100)
    lane = loop.lane()
    with Writer(tmp_path / "a.rec") as writer:
        writer.write(lane.header("porch"))
        while writer.events < 1000:
            live(loop, chance, 100)
            for record in waiting(lane):
                writer.write(record)
        writer.end("")
    found = compared(tmp_path / "a.rec")
    assert found.same
    assert found.identical >= 1000


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), begin=st.integers(0, 60))
def test_a_recording_may_begin_anywhere(
    seed: int, begin: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)  # noqa: S311
    loop = Loop(some_rules(chance, LABELS))
    live(loop, chance, begin)
    lane = loop.lane()
    live(loop, chance, 60)
    assert compared(written(tmp_path_factory.mktemp("rec") / "a.rec", lane)).same


def test_where_frames_were_lost_it_goes_on_from_what_the_rules_held(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311
    loop = Loop(some_rules(chance, LABELS))
    lane = loop.lane()
    with Writer(tmp_path / "a.rec") as writer:
        writer.write(lane.header("porch"))
        for count in (BACKLOG + 500, 300, 2 * BACKLOG, 100):
            for _ in range(count):
                loop.frame([chance.random() for _ in LABELS])
            for record in waiting(lane):
                writer.write(record)
        writer.end("")
    found = compared(tmp_path / "a.rec")
    assert found.same
    assert found.recorded > 100
    assert found.lost > 1000
    # The first frame began it, and is neither.
    assert found.lost + found.frames == loop.number - 1


def test_other_rules_decide_otherwise(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9, 0.5, 0.1, 0.7, 0.1)
    path = written(tmp_path / "a.rec", lane)
    assert made(path) == [("cat", True), ("cat", False)] * 2
    strict = Rules([replace(CAT, enter=0.8)], PLAIN)
    assert made(path, strict) == [("cat", True), ("cat", False)]
    pet = Rules([RuleConfig(name="pet", labels=["cat", "dog"], exit=0.55)], PLAIN)
    assert made(path, pet)[:2] == [("pet", True), ("pet", False)]


def test_other_rules_begin_with_what_those_of_their_names_held(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    loop.frames(0.9)
    lane = loop.lane()
    loop.frames(0.9, 0.5, 0.1)
    path = written(tmp_path / "a.rec", lane)
    assert made(path, Rules([replace(CAT, exit=0.55)], PLAIN)) == [("cat", False)]


def test_other_rules_outlast_a_reload_of_then(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    loop.reload([replace(CAT, enter=1.0, exit=1.0)])
    loop.frames(0.9, 0.9)
    path = written(tmp_path / "a.rec", lane)
    assert made(path) == [("cat", True), ("cat", False)]
    assert made(path, Rules([CAT], PLAIN)) == [("cat", True)]


def test_a_label_that_the_recording_does_not_have_is_told(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    path = written(tmp_path / "a.rec", lane)
    with pytest.raises(ConfigError, match=r'rule "owl": .*owl'):
        made(path, Rules([RuleConfig(name="owl", labels=["owl"])], PLAIN))


def test_what_its_rules_hold_must_fit_them(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    setup, *rest = waiting(lane)
    assert isinstance(setup, Setup)
    with Writer(tmp_path / "a.rec") as writer:
        for record in (lane.header("porch"), replace(setup, rules=()), *rest):
            writer.write(record)
    with pytest.raises(RecordingError, match=r"a\.rec: what its rules hold does not fit them"):
        made(tmp_path / "a.rec")


def test_an_end_is_made_again(tmp_path: Path) -> None:
    loop = Loop([replace(CAT, cooldown_s=3.0)], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    loop.end()
    loop.frames(0.9, 0.9)
    loop.frame([0.0, 0.9, 0.0, 0.0], 4.0)
    path = written(tmp_path / "a.rec", lane)
    assert made(path) == [("cat", True), ("cat", False), ("cat", True)]
    assert compared(path).same


def test_the_same_is_the_same_to_the_last_bit() -> None:
    event = Event("cat", True, 0.7, 1.0, 1.1, 4)
    assert same(event, replace(event, number=9))
    assert not same(event, replace(event, score=0.7000000000000001))
    assert not same(event, replace(event, onset_s=1.0000000000000002))
    assert not same(replace(event, score=0.0), replace(event, score=-0.0))
    assert not same(event, replace(event, reason="camera"))


def test_what_became_of_the_pictures_is_no_decision_to_make_again(tmp_path: Path) -> None:
    loop = Loop([CAT], PLAIN)
    lane = loop.lane()
    loop.frames(0.1, 0.9)
    with Writer(tmp_path / "a.rec") as writer:
        writer.write(lane.header("porch"))
        for record in waiting(lane):
            if isinstance(record, Seen):
                drifted = Event("drift", True, 1.0, 1.0, 1.1, 4, cause="view moved")
                record = replace(record, events=(*record.events, drifted))
            writer.write(record)
        writer.end("")
    assert compared(tmp_path / "a.rec").same
    assert made(tmp_path / "a.rec") == [("cat", True)]
