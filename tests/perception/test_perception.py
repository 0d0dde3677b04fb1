"""All that depends on the model, as one."""

from __future__ import annotations

import numpy as np
import pytest

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import UNDECIDED, Frame, Result
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from tests.test_pipeline import LABELS, BrightnessClassifier


def frame(brightness: float, at_s: float = 0.0) -> Frame:
    return Frame(np.full((2, 2, 3), round(255 * brightness), np.uint8), 1, at_s, 0.25)


def rules(labels: tuple[str, ...] = LABELS, **options: float) -> Decider:
    rule = RuleConfig(name="light", labels=[labels[1]])
    return Decider([rule], DecideConfig(**{"smoothing_s": 0.0, **options}), labels)


def test_a_frame_becomes_a_result_with_every_stage_from_decoding_to_deciding() -> None:
    ticks = iter([5.0, 5.5])
    perception = Perception(BrightnessClassifier(), rules(), lambda: next(ticks))
    result = perception.decide(frame(0.9))
    assert (result.scene.name, result.events[0].rule) == ("light", "light")
    assert result.stages_s == {"decode": 0.25, "invoke": 0.001, "decide": 0.5}
    assert result.decided_s == 5.5
    assert perception.scene is result.scene


def test_to_classify_decides_nothing() -> None:
    perception = Perception(BrightnessClassifier(), rules())
    perception.decide(frame(0.1))
    before = perception.scene
    result = perception.classify(frame(0.9))
    assert result.prediction.top(1)[0].label == "bright"
    assert result.stages_s == {"decode": 0.25, "invoke": 0.001}
    assert (result.scene, result.events, perception.scene) == (before, (), before)


def test_the_successor_goes_on_with_states_and_times() -> None:
    old = Perception(BrightnessClassifier(), rules())
    old.decide(frame(0.9, at_s=1.0))
    new = Perception(BrightnessClassifier(), rules(min_on_s=5.0))
    new.succeed(old)
    assert new.scene is old.scene
    assert new.decide(frame(0.1, at_s=2.0)).events == ()
    (event,) = new.decide(frame(0.1, at_s=6.5)).events
    assert (event.rule, event.active) == ("light", False)


def test_the_successor_with_other_labels_has_no_scene_before_its_first_frame() -> None:
    old = Perception(BrightnessClassifier(), rules())
    old.decide(frame(0.9))
    new = Perception(BrightnessClassifier(("night", "day")), rules(("night", "day")))
    new.succeed(old)
    assert new.scene is UNDECIDED
    assert new.decide(frame(0.9, at_s=1.0)).scene.name == "light"


def test_the_successor_with_other_rules_has_no_scene_before_its_first_frame_either() -> None:
    old = Perception(BrightnessClassifier(), rules())
    old.decide(frame(0.9))
    other = Decider([RuleConfig(name="sun", labels=["bright"])], DecideConfig(), LABELS)
    new = old.with_rules(other)
    new.succeed(old)
    assert new.scene is UNDECIDED
    ended, begun = new.decide(frame(0.9, at_s=1.0)).events
    assert (ended.rule, ended.active, begun.rule, begun.active) == ("light", False, "sun", True)


def test_the_successor_lets_the_old_model_go_and_keeps_its_own() -> None:
    old_model, new_model = BrightnessClassifier(), BrightnessClassifier()
    old, new = Perception(old_model, rules()), Perception(new_model, rules())
    new.succeed(old)
    assert (old_model.closed, new_model.closed) == (True, False)


def test_a_model_that_is_kept_under_other_rules_is_not_let_go() -> None:
    model = BrightnessClassifier()
    old = Perception(model, rules())
    new = old.with_rules(rules(enter=0.95))
    new.succeed(old)
    assert not model.closed
    with new as entered:
        assert entered.decide(frame(0.9)).scene.name == "bright"
    assert model.closed


def test_numbers_that_are_not_finite_are_told_once_until_they_are_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = BrightnessClassifier()
    perception = Perception(model, rules())

    def decide() -> Result:
        return perception.decide(frame(0.1))

    model.finite = False
    decide()
    decide()
    model.finite = True
    decide()
    model.finite = False
    decide()
    assert [message.partition(":")[0] for message in caplog.messages] == ["model brightness"] * 2
