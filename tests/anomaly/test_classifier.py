"""A classifier with what is different from normal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged.anomaly.classifier import FAULT_S, QUIET_S, SAVED_S, AnomalyClassifier
from edged.anomaly.normal import Normal
from edged.core import VIEW_LABELS, Pixels
from tests.anomaly.views import LABELS, MapModel, normal, place, shot, with_thing


@pytest.fixture(scope="module")
def taught() -> Normal:
    return normal()


class Seeing:
    """A classifier and its time."""

    def __init__(self, taught: Normal, learn_s: float = 0.0, learned: Path | None = None) -> None:
        self.now_s = 0.0
        self.model = MapModel()
        self.classifier = AnomalyClassifier(
            self.model, taught, learn_s=learn_s, learned=learned, clock=lambda: self.now_s
        )

    def scores(self, pixels: Pixels, after_s: float = 1.0) -> dict[str, float]:
        self.now_s += after_s
        prediction = self.classifier.classify(pixels)
        return dict(zip(prediction.labels, prediction.scores.tolist(), strict=True))


def test_its_labels_follow_those_of_the_model(taught: Normal) -> None:
    seeing = Seeing(taught)
    assert seeing.classifier.labels == (*LABELS, *VIEW_LABELS)
    scores = seeing.scores(shot(place(), 50))
    assert (scores["cat"], scores["dog"]) == pytest.approx((0.7, 0.3))
    assert scores["different"] < 0.5
    assert seeing.scores(shot(with_thing(place()), 50))["different"] >= 0.5


def test_the_heat_covers_what_the_model_sees(taught: Normal) -> None:
    whole = Seeing(taught).classifier.classify(shot(place(), 50)).heat
    cropping = AnomalyClassifier(MapModel(), taught, "crop")
    cropped = cropping.classify(shot(place(), 50)).heat
    assert whole is not None
    assert cropped is not None
    assert (whole.scores.shape, whole.box) == ((14, 14), (0, 0, 1, 1))
    assert cropped.box == (0.125, 0, 0.875, 1)


def test_a_fault_is_named_beside_what_is_different(taught: Normal) -> None:
    seeing = Seeing(taught)
    scores = seeing.scores(np.full((240, 320, 3), 20, np.uint8))
    assert min(scores["different"], scores["view blocked"]) >= 0.5
    assert scores["view moved"] == 0
    # Not looked for at each frame.
    assert seeing.scores(np.roll(place(), 40, 1), FAULT_S / 2)["view blocked"] >= 0.5
    assert seeing.scores(np.roll(place(), 40, 1), FAULT_S)["view moved"] >= 0.5
    assert seeing.scores(shot(place(), 50))["view moved"] == 0


@pytest.mark.parametrize("size", [(480, 640), (112, 112), (1080, 1920)], ids=str)
def test_a_thing_in_a_frame_of_another_size_is_no_fault(
    taught: Normal, size: tuple[int, int]
) -> None:
    frame = Image.fromarray(shot(with_thing(place()), 50)).resize(size[::-1])
    scores = Seeing(taught).scores(np.asarray(frame))
    assert scores["different"] >= 0.5
    assert not any(scores[fault] for fault in VIEW_LABELS[1:])


def changed(step: int) -> Pixels:
    """The view as it changes slowly: a part of it fades."""
    picture = place().astype(np.float32)
    picture[60:120, 80:160, :2] *= 1 - step / 100
    return shot(picture.astype(np.uint8), step)


def test_what_changes_slowly_is_learned_where_that_is_configured(taught: Normal) -> None:
    learning, fixed = Seeing(taught, learn_s=60.0), Seeing(taught)
    of_learning = [learning.scores(changed(step), 20.0)["different"] for step in range(100)]
    of_fixed = [fixed.scores(changed(step), 20.0)["different"] for step in range(100)]
    assert max(of_learning) < 0.5 <= of_fixed[-1]


def test_what_is_different_is_never_learned_nor_what_follows_it_soon(taught: Normal) -> None:
    seeing = Seeing(taught, learn_s=10.0)
    first = seeing.scores(shot(with_thing(place()), 50))["different"]
    for step in range(200):
        seeing.scores(shot(with_thing(place()), step), QUIET_S)
    assert seeing.scores(shot(with_thing(place()), 50))["different"] == pytest.approx(first)
    before = seeing.classifier._detector.learned().means
    seeing.scores(shot(place(), 51), QUIET_S / 2)
    assert seeing.classifier._detector.learned().means == before
    seeing.scores(shot(place(), 52), QUIET_S)
    assert seeing.classifier._detector.learned().means != before


def test_what_was_learned_goes_on_after_a_restart_with_the_same_teaching(
    taught: Normal, tmp_path: Path
) -> None:
    path = tmp_path / "normal.learned"
    seeing = Seeing(taught, 60.0, path)
    for step in range(100):
        seeing.scores(changed(step), 20.0)
    seeing.classifier.__exit__()
    assert seeing.model.closed
    assert Seeing(taught, 60.0, path).scores(changed(99))["different"] < 0.5
    other = normal(place(1))
    assert Seeing(other, 60.0, path).scores(shot(place(1), 60))["different"] < 0.5


def test_what_was_learned_is_written_now_and_then(taught: Normal, tmp_path: Path) -> None:
    path = tmp_path / "normal.learned"
    seeing = Seeing(taught, 60.0, path)
    seeing.scores(shot(place(), 1), QUIET_S)
    assert not path.exists()
    seeing.scores(shot(place(), 2), SAVED_S)
    writer = seeing.classifier._writer
    assert writer is not None
    writer.join()
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"\x81", b"\xff" * 100, b"\x82\xa4made\x01"], ids=str)
def test_a_torn_file_of_what_was_learned_is_told_and_left_out(
    taught: Normal, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "normal.learned"
    path.write_bytes(content)
    assert Seeing(taught, 60.0, path).scores(shot(place(), 50))["different"] < 0.5
    (line,) = caplog.messages
    assert "what is normal is as it was taught" in line


def test_a_folder_that_is_gone_is_told_and_nothing_more(
    taught: Normal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seeing = Seeing(taught, 60.0, tmp_path / "gone" / "normal.learned")
    seeing.scores(shot(place(), 50), QUIET_S)
    seeing.classifier.__exit__()
    assert "what was learned since is lost at a restart" in caplog.text
