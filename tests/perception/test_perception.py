"""All that depends on the model, as one."""

from __future__ import annotations

import numpy as np
import pytest

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import UNDECIDED, Frame, Pixels, Prediction, Result
from edged.perception.perception import Perception
from edged.perception.rules import Decider
from edged.perception.still import StillScenes
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


class CountingClassifier(BrightnessClassifier):
    """Says how often it was asked."""

    asked = 0

    def classify(self, pixels: Pixels) -> Prediction:
        self.asked += 1
        return super().classify(pixels)


def watching(model: CountingClassifier) -> Perception:
    return Perception(model, rules(), still=StillScenes(2.0, (2, 2)))


def test_a_frame_that_shows_nothing_new_has_the_scores_of_the_last_classified_one() -> None:
    model = CountingClassifier()
    perception = watching(model)
    first, *_, last = [perception.decide(frame(0.9, at_s / 10)) for at_s in range(10)]
    assert (first.prediction.still, last.prediction.still) == (False, True)
    assert last.prediction.scores.tolist() == first.prediction.scores.tolist()
    assert last.scene.active == ("light",)
    assert list(first.stages_s) == ["decode", "still", "invoke", "decide"]
    assert list(last.stages_s) == ["decode", "still", "decide"]
    assert model.asked == 5


def test_a_frame_that_somebody_looks_at_is_classified() -> None:
    perception = watching(CountingClassifier())
    for at_s in range(10):
        perception.decide(frame(0.9, at_s / 10))
    assert not perception.decide(frame(0.9, 1.0), looked_at=True).prediction.still


@pytest.mark.parametrize(("brightness", "asked"), [(0.5, 10), (0.7, 5), (0.9, 5), (0.2, 5)])
def test_no_score_is_held_that_is_near_to_where_its_rule_turns(
    brightness: float, asked: int
) -> None:
    model = CountingClassifier()
    perception = watching(model)
    for at_s in range(10):
        perception.decide(frame(brightness, at_s / 10))
    assert model.asked == asked


def test_nothing_is_held_over_an_outage() -> None:
    model = CountingClassifier()
    perception = watching(model)
    for at_s in range(10):
        perception.decide(frame(0.9, at_s / 10))
    perception.end(1.0, "camera")
    assert not perception.decide(frame(0.9, 1.1)).prediction.still


def test_the_successor_holds_nothing_of_another_model() -> None:
    old, new = watching(CountingClassifier()), watching(CountingClassifier())
    for at_s in range(10):
        old.decide(frame(0.9, at_s / 10))
    new.succeed(old)
    assert not new.decide(frame(0.9, 1.0)).prediction.still
