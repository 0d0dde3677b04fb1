"""A part of docs/reports/different.md, measured again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edged.anomaly.classifier import AnomalyClassifier
from tests.scenes.camera import pictures, scene, shot
from tests.scenes.different import different, loaded, named, taught, with_thing
from tests.scenes.light import LIGHTS
from tests.test_docs import ROOT

REPORT = (ROOT / "docs" / "reports" / "different.md").read_text()
MODEL = "mobilenet_v2_1.0_224_quant"


def told(row: str) -> list[float]:
    """The percentages of a line of the report, one for each model."""
    line, *_ = re.findall(rf"^\| {re.escape(row)} .*$", REPORT, re.MULTILINE)
    return [float(share) for share in re.findall(r"([\d.]+)%", line.partition(row)[2])]


@pytest.mark.parametrize(
    ("row", "least", "most"),
    [
        ("the same", 0, 2),
        ("±30 % brightness", 0, 2),
        ("a slope", 0, 2),
        ("another colour", 0, 2),
        ("cast shadows", 0, 10),
        ("1.0% of the frame", 98, 100),
    ],
)
def test_the_report_says_what_is_promised_of_the_first_model(
    row: str, least: float, most: float
) -> None:
    assert least <= told(row)[0] <= most


@pytest.fixture(scope="module")
def seeing(shared_data: Path) -> AnomalyClassifier:
    model, tensor = loaded(MODEL)
    place = pictures(shared_data)[3]
    return AnomalyClassifier(model, taught(place, model, tensor, np.random.default_rng(1)))


@pytest.mark.parametrize("light", [name for name in LIGHTS if name != "cast shadows"])
def test_light_is_normal(seeing: AnomalyClassifier, shared_data: Path, light: str) -> None:
    rng = np.random.default_rng(2)
    place = scene(pictures(shared_data)[3])
    frames = [shot(place, rng, light=LIGHTS[light](rng)) for _ in range(4)]
    assert not any(different(seeing.classify(frame)) for frame in frames)


def test_things_of_a_hundredth_of_the_frame_are_different_and_no_fault(
    seeing: AnomalyClassifier, shared_data: Path
) -> None:
    rng = np.random.default_rng(2)
    paths = pictures(shared_data)
    frames = [with_thing(scene(paths[3]), 0.01, paths[100:], rng) for _ in range(8)]
    assert {named(seeing.classify(frame)) for frame in frames} == {"different"}
