"""All that depends on the model, as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import DRIFT, UNDECIDED, Event, Frame, Pixels, Prediction, Result
from edged.drift.views import USUAL_S
from edged.drift.watch import EVERY, Watch
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


PATIENCE_S = 60.0


def watched(camera: str = "", path: Path | None = None) -> Perception:
    watch = Watch(PATIENCE_S, camera, path)
    return Perception(BrightnessClassifier(), rules(), watch=watch)


def seen(perception: Perception, pixels: Pixels, from_s: float, for_s: float) -> list[Result]:
    """What comes of frames that are looked at each 30 s, and of the others between."""
    times = np.arange(from_s, from_s + for_s, 30 / EVERY)
    return [perception.decide(Frame(pixels, n, float(at_s))) for n, at_s in enumerate(times)]


@pytest.fixture
def view() -> Pixels:
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, 8, 0), 8, 1)


def blocked(perception: Perception, view: Pixels) -> list[Event]:
    seen(perception, view, 0, USUAL_S + 60)
    results = seen(perception, np.full_like(view, 200), USUAL_S + 60, 3 * PATIENCE_S)
    return [event for one in results for event in one.events if event.rule == DRIFT]


def test_what_becomes_of_the_pictures_is_an_event_beside_those_of_rules(view: Pixels) -> None:
    perception = watched()
    (event,) = blocked(perception, view)
    assert (event.active, event.cause) == (True, "view blocked")
    assert perception.drift is not None
    assert (perception.drift.cause, perception.drift.score) == ("view blocked", 1)


def test_where_nobody_watches_nothing_is_told(view: Pixels) -> None:
    perception = Perception(BrightnessClassifier(), rules())
    assert blocked(perception, view) == []
    assert perception.drift is None


def test_an_end_ends_what_was_told_of_the_pictures(view: Pixels) -> None:
    perception = watched()
    blocked(perception, view)
    event = perception.end(5000.0, "camera")[-1]
    assert (event.rule, event.active, event.reason) == (DRIFT, False, "camera")


def test_another_model_before_the_same_camera_knows_its_view(view: Pixels) -> None:
    old, new = watched(), watched()
    blocked(old, view)
    new.succeed(old)
    assert new.drift is not None
    assert new.drift.cause == "view blocked"
    results = seen(new, view, 2000, PATIENCE_S)
    assert [event.active for one in results for event in one.events if event.cause] == [False]


def test_who_is_watched_no_longer_ends_what_was_told(view: Pixels, tmp_path: Path) -> None:
    old = watched(path=tmp_path / "usual")
    blocked(old, view)
    new = old.with_rules(rules())
    new.succeed(old)
    assert (tmp_path / "usual").exists()
    ended = [event for event in new.decide(frame(0.9, 5000.0)).events if event.cause]
    assert [(event.cause, event.active) for event in ended] == [("view blocked", False)]
    assert new.decide(frame(0.9, 5001.0)).events == ()


def test_a_model_that_is_replaced_stores_what_is_usual_once(view: Pixels, tmp_path: Path) -> None:
    old, new = watched(path=tmp_path / "usual"), watched(path=tmp_path / "usual")
    seen(old, view, 0, 120)
    new.succeed(old)
    assert not (tmp_path / "usual").exists()
    new.__exit__()
    assert (tmp_path / "usual").exists()
