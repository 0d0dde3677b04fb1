"""The legend of a snapshot."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from edged.core import Frame, Prediction, Result, Scene
from edged.imaging import snapshot
from edged.imaging.picture import decode_jpeg
from edged.messages.message import Moment

AT = Moment("porch", 10.0, 1.7e9)
LABELS = ("cat", "dog", "frog")


def seen(*scores: float, scene: str | None = "visitor") -> Result:
    prediction = Prediction(np.array(scores, np.float32), LABELS, {}, "m")
    return Result(Frame(np.full((240, 320, 3), 200, np.uint8), 1, 9.0), prediction, Scene(scene))


@pytest.fixture
def legend(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(snapshot, "annotated_jpeg", lambda _, lines, *__: said.extend(lines))
    return said


def test_what_is_decided_and_what_this_frame_shows_are_told_apart(legend: list[str]) -> None:
    snapshot.snapshot_jpeg(seen(0.05, 0.93, 0.001), AT)
    scene, frame, place = legend
    assert scene == "scene: visitor"
    assert frame == "this frame: dog 93%, cat 5%"
    assert place == f"porch  {AT.utc(9.0).astimezone():%Y-%m-%d %H:%M:%S}"


def test_before_the_first_decision_the_best_class_is_told(legend: list[str]) -> None:
    snapshot.snapshot_jpeg(seen(0.0, 0.0, 0.0, scene=None), AT)
    assert legend[:2] == ["scene: undecided", "this frame: cat 0%"]


def test_scores_of_an_earlier_frame_are_told_apart(legend: list[str]) -> None:
    result = seen(0.05, 0.93, 0.0)
    held = replace(result, prediction=replace(result.prediction, still=True))
    snapshot.snapshot_jpeg(held, AT)
    assert legend[1] == "unchanged: dog 93%, cat 5%"


def test_the_picture_is_not_covered() -> None:
    pixels = decode_jpeg(snapshot.snapshot_jpeg(seen(0.9, 0.1, 0.0), AT), "test")
    assert pixels.shape == (240, 320, 3)
    assert (pixels[..., 0] < 120).mean() < 0.12
