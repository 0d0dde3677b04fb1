"""A linear head, from vectors alone."""

from __future__ import annotations

import numpy as np
import pytest

from edged.teaching import head
from edged.teaching.head import Floats, Integers

SIZES = (40, 60)


def vectors(classes: int, pictures: int, seed: int = 0, useful: int = 0) -> tuple[Floats, Integers]:
    """Two blocks of length 1; in the `useful` one classes are apart, in the other they are not."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (classes, SIZES[useful]))
    labels = np.repeat(np.arange(classes), pictures)
    blocks = [rng.normal(0, 1, (len(labels), size)) for size in SIZES]
    blocks[useful] = centres[labels] + rng.normal(0, 0.6, (len(labels), SIZES[useful]))
    blocks = [block / np.linalg.norm(block, axis=1, keepdims=True) for block in blocks]
    return np.concatenate(blocks, 1).astype(np.float32), labels


def best(fitted: head.Head, rows: Floats) -> list[int]:
    return [int(fitted.scores(row)[0].argmax()) for row in rows]


@pytest.mark.parametrize("useful", [0, 1])
def test_the_block_that_tells_the_classes_apart_is_the_one_that_counts(useful: int) -> None:
    rows, labels = vectors(4, 8, useful=useful)
    fitted = head.fit(rows, labels, SIZES)
    others, truth = vectors(4, 25, seed=1, useful=useful)
    assert (np.array(best(fitted, others)) == truth).mean() > 0.95
    block = np.split(fitted.matrix[:4], [SIZES[0]], axis=1)
    assert np.abs(block[useful]).sum() > np.abs(block[1 - useful]).sum()


def test_the_probabilities_of_the_classes_sum_to_one() -> None:
    fitted = head.fit(*vectors(3, 5), SIZES)
    for row in vectors(3, 4, seed=2)[0]:
        scores, taught = fitted.scores(row)
        assert scores.sum() == pytest.approx(1.0, abs=1e-5)
        assert 0.0 <= taught <= 1.0


def test_pictures_of_taught_classes_are_close_and_others_far() -> None:
    fitted = head.fit(*vectors(3, 10), SIZES)
    near = [fitted.scores(row)[1] for row in vectors(3, 20, seed=3)[0]]
    rng = np.random.default_rng(4)
    far = rng.normal(0, 1, (60, sum(SIZES))).astype(np.float32)
    for block in np.split(far, [SIZES[0]], axis=1):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    assert np.mean(np.array(near) > 0.5) > 0.9
    assert np.mean([fitted.scores(row)[1] > 0.5 for row in far]) < 0.1


def test_one_class_alone_is_a_head_too() -> None:
    rows, labels = vectors(1, 6)
    scores, taught = head.fit(rows, labels, SIZES).scores(rows[0])
    assert scores.tolist() == [1.0]
    assert taught > 0.5


def test_a_model_without_maps_has_one_block() -> None:
    rows, labels = vectors(3, 6)
    fitted = head.fit(rows[:, : SIZES[0]], labels, SIZES[:1])
    assert best(fitted, rows[:, : SIZES[0]]) == labels.tolist()


def test_a_picture_of_each_class_is_enough_to_tell_them_apart() -> None:
    rows, labels = vectors(3, 1)
    assert best(head.fit(rows, labels, SIZES), rows) == [0, 1, 2]


def test_vectors_of_zeros_are_no_error() -> None:
    rows = np.zeros((6, sum(SIZES)), np.float32)
    scores, taught = head.fit(rows, np.repeat([0, 1], 3), SIZES).scores(rows[0])
    assert np.isfinite([*scores, taught]).all()


def test_the_distance_is_as_usual_for_what_was_taught() -> None:
    rows, labels = vectors(2, 12)
    fitted = head.fit(rows, labels, SIZES)
    # Their own directions are free and their own mean is near: not farther than when left out.
    assert max(fitted.distance(row) for row in rows) < 1.0


def test_what_is_left_out_gets_the_class_of_its_like() -> None:
    rows, labels = vectors(3, 8)
    assert head.left_out(rows, labels, SIZES).tolist() == labels.tolist()
    rows[labels == 1] = vectors(3, 8, seed=5)[0][labels == 0]
    mixed = head.left_out(rows, labels, SIZES)
    assert (mixed[labels == 2] == 2).all()
    assert (mixed[labels < 2] != labels[labels < 2]).sum() > 0
