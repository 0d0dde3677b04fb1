"""The report on the unknown is what the files that are here now give."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edged.config.schema import Config, ModelConfig
from edged.evaluation.unknown import Fit, Seen, auroc
from edged.perception import reference
from tests.unknown import sets

REPORT = Path(__file__).parent.parent.parent / "docs" / "reports" / "unknown.md"
AGAIN = "make report-unknown"
TABLES = re.compile(r"^#+ (.+?)$(.*?)(?=^#)", re.MULTILINE | re.DOTALL)


def told(title: str) -> dict[str, list[float]]:
    """The rows of the first table under `title`: AUROC in per cent."""
    text = dict(TABLES.findall(REPORT.read_text() + "\n#"))[title]
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    numbers = (([cell.strip(" *") for cell in row]) for row in rows[2:])
    return {row[0]: [float(cell) for cell in row[2:]] for row in numbers}


def measured(fit: Fit, known: Seen, others: dict[str, Seen]) -> dict[str, tuple[float, float]]:
    """The AUROC of edged and of the greatest score."""
    data = fit.path.read_bytes()
    places = [place for place in reference.places(fit.path) if place.exists()]
    made = reference.read(places[0], data)
    likeness = fit.likeness(made, known)
    return {
        name: (
            100 * auroc(likeness, fit.likeness(made, theirs)),
            100 * auroc(known.score, theirs.score),
        )
        for name, theirs in others.items()
    }


def test_auroc_counts_pairs_and_half_of_equal_ones() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    more, less = rng.integers(0, 8, 60), rng.integers(-2, 6, 40)
    pairs = [(a > b) + 0.5 * (a == b) for a in more for b in less]
    assert auroc(more, less) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_the_bundled_models_table_is_made_again_in_part(shared_data: Path) -> None:
    assert shared_data.exists()
    with Fit(Config()) as fit:
        known = fit.look(sets.open_limited(sets.CIFAR10, 800))
        found = measured(fit, known, sets.unknown_to_cifar10(fit, 120))
    table = told("The bundled model")
    for name, (own, score) in found.items():
        assert own == pytest.approx(table[name][0], abs=4), (name, AGAIN)
        assert score == pytest.approx(table[name][1], abs=5), (name, AGAIN)
    assert np.mean([own for own, _ in found.values()]) >= 93


def test_the_bundled_models_mean_is_at_least_93_and_better_than_every_other_score() -> None:
    *rows, mean = told("The bundled model").values()
    assert len(rows) == 10
    assert mean == pytest.approx(np.mean(rows, axis=0), abs=0.06)
    assert mean[0] >= 93
    assert mean[0] > max(mean[1:])


def test_mobilenet_v2_without_stored_pictures_reaches_92(shared_data: Path) -> None:
    name = "tf2_mobilenet_v2_1.0_224_ptq"
    table = told(name)
    assert table.pop("mean")[0] >= 92
    labels = shared_data / "labels/imagenet_labels.txt"
    model = ModelConfig(path=str(shared_data / f"models/{name}.tflite"), labels=str(labels))
    with Fit(Config(model=model)) as fit:
        known = fit.look(sets.open_limited(sets.IMAGENET, 100))
        others = {"hands (sign digits)": fit.look(sets.open_limited(sets.DIGITS, 60))}
        [(own, _)] = measured(fit, known, others).values()
    assert own == pytest.approx(table["hands (sign digits)"][0], abs=6), AGAIN
