"""The skew between the training pictures of a model and others, in an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edged import build
from edged.config.schema import Config, DecideConfig
from edged.drift.look import STATISTICS
from edged.evaluation import document, evaluation, report, text
from edged.evaluation.dataset import open_dataset
from edged.evaluation.document import Evaluation
from edged.evaluation.probe import Footprint
from edged.perception import known

PICTURES = Path(__file__).parent.parent / "pictures"


@pytest.fixture
def dark(tmp_path: Path) -> Path:
    """Photographs of cats, much darker than any of training."""
    folder = tmp_path / "dark" / "cat"
    folder.mkdir(parents=True)
    cat = np.asarray(Image.open(PICTURES / "cat.jpg").convert("RGB"))
    for number in range(6):
        Image.fromarray(np.roll(cat, 9 * number, 1) // 12).save(folder / f"{number}.png")
    return folder.parent


def evaluated(data: Path, config: Config) -> Evaluation:
    bare, whole, training = build.taught(config)
    with whole:
        run = evaluation.evaluate(open_dataset(data), [whole])
        facts = document.describe(bare, Footprint(0.1, 50.0, None, 1))
        return document.summarise(facts, str(data), run, run.outcomes[0], training=training)


def test_dark_pictures_are_skewed_in_brightness_and_not_in_colour(dark: Path) -> None:
    found = evaluated(dark, Config())
    rows = {row.statistic: row for row in found.skew}
    assert tuple(rows) == STATISTICS
    assert rows["brightness"].outside == 1
    assert rows["brightness"].psi > 1
    assert rows["brightness"].median_there < rows["brightness"].low < rows["brightness"].median
    assert rows["red"].outside == 0


def test_it_is_in_the_report_as_text_and_as_a_page(dark: Path) -> None:
    found = evaluated(dark, Config())
    (line,) = (line for line in text.evaluation(found).splitlines() if "| brightness" in line)
    assert line.split("|")[5].strip() == "100.00%"
    assert len(line) <= 80
    assert "Skew against the training pictures" in report.html(found)


def test_a_model_without_a_summary_has_no_skew(dark: Path) -> None:
    found = evaluated(dark, Config(decide=DecideConfig(unknown_share=0.0)))
    assert found.skew == []
    assert "Skew" not in text.evaluation(found) + report.html(found)


def test_every_shipped_file_has_a_summary_of_its_pictures(shared_data: Path) -> None:
    for model in sorted((shared_data / "models").glob("*_quant.tflite")):
        found = known.find(model)
        if found is not None:
            assert found.training is not None
            assert set(found.training.quantiles) == set(STATISTICS)
    bundled = known.find(build.admitted(Config()).file.path)
    assert bundled is not None
    assert bundled.training is not None
