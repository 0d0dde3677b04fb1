"""A part of docs/reports/still.md, measured again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edged.config.schema import ModelConfig
from edged.inference import tflite
from edged.perception.still import MOST_CHANGE
from tests.scenes.camera import pictures
from tests.scenes.still import FPS, compare, levels, recordings, things
from tests.test_docs import ROOT

REPORT = (ROOT / "docs" / "reports" / "still.md").read_text()


@pytest.fixture
def photographs(shared_data: Path) -> list[Path]:
    return pictures(shared_data)


def test_the_report_says_that_nothing_is_missed_and_all_events_are_the_same() -> None:
    assert "0 of 1000 things of 1% of the frame stay" in REPORT
    same = re.findall(r"(\d+) of (\d+) \|", REPORT)
    assert same
    assert all(first == second for first, second in same)


def test_things_of_a_hundredth_of_the_frame_are_changes(photographs: list[Path]) -> None:
    found = list(things(photographs, 20, np.random.default_rng(5)))
    assert min(found) > MOST_CHANGE


def test_noise_and_compression_are_none(photographs: list[Path]) -> None:
    of_noise = dict(levels(photographs[::100], np.random.default_rng(5)))
    quiet = [level for what, found in of_noise.items() if "noise" in what for level in found]
    assert max(quiet) < MOST_CHANGE / 2


def test_the_events_of_a_recording_are_the_same(photographs: list[Path]) -> None:
    with tflite.load(ModelConfig(threads=1)) as model:
        ((label, recording),) = recordings(model, photographs, 1, seed=3)
        found = compare(model, label, recording.frames())
    assert found.every
    assert found.apart_s is not None
    assert found.apart_s <= 1 / FPS
    assert found.held > found.frames / 2
