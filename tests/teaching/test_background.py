"""Taught pictures are told from those that the model was made for, where these are known."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edged import paths
from edged.perception import reference
from edged.perception.reference import Floats, Rows
from edged.teaching import background, head
from edged.teaching.background import Background, vectors_of
from edged.teaching.head import Head, Material
from edged.teaching.teacher import readable

SIZES = (40, 60)


def unit(rows: Floats) -> Floats:
    """Each block of length 1."""
    for block in np.split(rows, [SIZES[0]], axis=1):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def own(count: int, seed: int) -> Floats:
    """What the model was made for: near what is taught, and apart in one direction."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(1, 0.45, (count, 100))
    rows[:, 0] += 1.4
    return unit(rows.astype(np.float32))


def taught(count: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    rows = rng.normal(1, 0.45, (count, 100))
    rows[: count // 2, 50] += 2
    rows[count // 2 :, 51] += 2
    return unit(rows.astype(np.float32))


def fitted(known: Background | None) -> Head:
    labels = np.repeat([0, 1], 15)
    return head.fit(Material(taught(30, 0), labels, np.arange(30), SIZES), known)


@pytest.fixture
def known() -> Background:
    return Background(vectors_of(own(400, 1), (1, 2), 16))


def taken(made: Head, rows: Floats) -> float:
    return float(np.mean([made.scores(row)[1] > 0.5 for row in rows]))


def test_what_is_close_to_the_taught_and_known_to_be_something_else_is_told_apart(
    known: Background,
) -> None:
    without, made = fitted(None), fitted(known)
    assert taken(without, own(200, 2)) > 0.3
    assert taken(made, own(200, 2)) < 0.1
    assert taken(made, taught(200, 3)) > 0.9


def test_what_is_far_from_both_is_not_taught(known: Background) -> None:
    rows = np.random.default_rng(4).normal(0, 1, (200, 100)).astype(np.float32)
    assert taken(fitted(known), unit(rows)) < 0.02


def test_classes_are_told_apart_as_without_it(known: Background) -> None:
    for row in taught(20, 5):
        assert fitted(known).scores(row)[0] == pytest.approx(fitted(None).scores(row)[0], abs=1e-5)


def test_a_picture_of_each_class_is_a_head_too(known: Background) -> None:
    made = head.fit(Material(taught(2, 0), np.arange(2), np.arange(2), SIZES), known)
    assert np.isfinite(made.scores(taught(2, 0)[0])[1])


def test_the_mean_and_the_directions_are_those_of_the_pictures() -> None:
    rows = own(300, 6)
    kept = Background(vectors_of(rows, (1, 2), 100))
    assert kept.rows[0] == pytest.approx(rows.mean(0), abs=1e-6)
    covariance = kept.rows[1:].T @ kept.rows[1:]
    assert covariance == pytest.approx(np.cov(rows.T, bias=True), abs=1e-4)
    assert kept.rest == pytest.approx(0.0, abs=1e-9)


def test_fewer_directions_keep_the_whole_variance() -> None:
    rows = own(300, 6)
    kept = Background(vectors_of(rows, (1, 2), 5))
    assert len(kept.rows) == 1 + 5
    whole = float((kept.rows[1:] ** 2).sum()) + kept.rest * rows.shape[1]
    assert whole == pytest.approx(float(rows.var(0).sum()), rel=1e-2)


def test_that_of_the_bundled_model_is_found_for_what_is_read_of_it() -> None:
    model = paths.bundled_model()
    found = background.find(model, readable(model))
    assert found is not None
    assert found.rows.shape[1] == readable(model).size


def test_that_of_another_reading_is_not_used() -> None:
    model = paths.bundled_model()
    reading = readable(model)
    assert background.find(model, type(reading)(reading.blocks[:1])) is None


@pytest.mark.parametrize("broken", ["size", "rest", "numbers"])
def test_one_that_makes_no_sense_is_told_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    model = tmp_path / paths.bundled_model().name
    shutil.copy(paths.bundled_model(), model)
    shipped = reference.places(model)[1]
    known = reference.read(shipped, model.read_bytes())
    assert known.vectors is not None
    size = readable(model).size
    vectors = {
        "size": replace(
            known.vectors, mean=bytes(8), directions=Rows.of(np.ones((2, 2), np.float32))
        ),
        "rest": replace(known.vectors, rest=-1.0),
        "numbers": replace(known.vectors, mean=np.full(size, np.nan, "<f4").tobytes()),
    }[broken]
    reference.write(reference.path_of(model), replace(known, vectors=vectors))
    with caplog.at_level(logging.WARNING):
        assert background.find(model, readable(model)) is None
    assert "cannot be used for taught labels" in caplog.text
    assert "fit it again with edged models unknown" in caplog.text
