"""What the demo's rules make of pictures that show none of the ten things the model knows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from edged import build
from edged.cameras import demo
from edged.config.load import load
from edged.config.schema import Config
from edged.core import Classifier, Prediction
from edged.errors import CameraError
from edged.imaging.picture import decode_picture, read_picture
from edged.perception.rules import Decider

FPS = 5


@pytest.fixture(scope="module")
def config() -> Config:
    return load(Path(__file__).parents[2] / "config" / "demo.toml")


@pytest.fixture(scope="module")
def classifier(config: Config) -> Iterator[Classifier]:
    with build.sensing(config).whole as loaded:
        yield loaded


def switched_on(config: Config, labels: Sequence[str], frames: list[Prediction]) -> set[str]:
    """The rules that become active while the frames pass."""
    decider = Decider(config.rule, config.decide, labels)
    names: set[str] = set()
    for number, frame in enumerate(frames):
        _, events = decider.decide(frame.scores, number / FPS, number, frame.known)
        names |= {event.rule for event in events if event.active}
    return names


def test_of_the_demos_photographs_only_the_cat_is_a_cat(
    config: Config, classifier: Classifier
) -> None:
    try:
        photographs = demo.photographs()
    except CameraError as error:
        pytest.skip(str(error))
    frame_px = (config.camera.height_px, config.camera.width_px)
    cats = []
    for shown, path in enumerate(photographs):
        pixels = read_picture(path)
        views = (
            demo.view(pixels.shape[:2], frame_px, shown, step / FPS / demo.SHOWN_S)
            for step in range(int(FPS * demo.SHOWN_S))
        )
        frames = [
            classifier.classify(demo._render(pixels, view, frame_px, classifier.input_px))
            for view in views
        ]
        if "cat" in switched_on(config, classifier.labels, frames):
            cats.append(path.name)
    assert cats == ["chelsea.png"]


def test_a_shelf_of_groceries_switches_nearly_nothing_on(
    config: Config, classifier: Classifier, shared_data: Path
) -> None:
    seen = {rule.name: 0 for rule in config.rule}
    with zipfile.ZipFile(shared_data / "training" / "grocery.zip") as pictures:
        names = [name for name in pictures.namelist() if name.endswith(".jpg")][::4]
        for name in names:
            pixels = decode_picture(pictures.read(name), name, classifier.input_px)
            seen_once = [classifier.classify(pixels)]
            for rule in switched_on(config, classifier.labels, seen_once):
                seen[rule] += 1
    assert len(names) > 200
    assert max(seen.values()) / len(names) < 0.02, seen


def test_a_cat_is_a_cat(config: Config, classifier: Classifier) -> None:
    sure = np.zeros(len(classifier.labels), np.float32)
    sure[classifier.labels.index("cat")] = 0.99
    assert switched_on(
        config, classifier.labels, [Prediction(sure, classifier.labels, {}, "made")]
    ) == {"cat"}
