from __future__ import annotations

import math

import numpy as np
import pytest

from edged.evaluation import metrics


def test_the_rank_of_a_label_is_its_place_among_the_scores() -> None:
    scores = np.array([0.1, 0.5, 0.3, 0.1], np.float32)
    assert [metrics.ranks(scores, label) for label in range(4)] == [2, 0, 1, 3]


def test_top_5_counts_labels_among_the_best_five() -> None:
    rank = np.array([0, 0, 4, 5])
    assert metrics.top(rank, 1) == 0.5
    assert metrics.top(rank, 5) == 0.75
    assert math.isnan(metrics.top(rank[:0], 1))


def test_the_interval_is_wilsons() -> None:
    # 8 of 10 as in Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", 2001.
    low, high = metrics.interval(0.8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert metrics.interval(1.0, 5)[1] == 1.0


def test_confusion_has_true_classes_in_rows() -> None:
    matrix = metrics.confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_precision_recall_and_f1_of_each_class() -> None:
    # Class 0: 2 of 3 found, 2 of 2 answers right. Class 1: 1 of 1 found, 1 of 2 right.
    scores = metrics.per_class(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert scores.precision[:2].tolist() == [1.0, 0.5]
    assert scores.recall[:2].tolist() == pytest.approx([2 / 3, 1.0])
    assert scores.f1[:2].tolist() == pytest.approx([0.8, 2 / 3])
    assert scores.support.tolist() == [3, 1, 0]
    assert all(math.isnan(values[2]) for values in scores[:3])


def test_calibration_error_weighs_each_bin_by_its_pictures() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.15], np.float32)
    correct = np.array([True, True, True, False, False])
    found = metrics.calibration(confidence, correct, bins=10)
    assert found.counts.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 4]
    assert found.error == pytest.approx((4 * abs(0.95 - 0.75) + 0.15) / 5)


def test_a_bin_of_calibration_holds_its_upper_edge() -> None:
    counts = metrics.calibration(np.array([0.0, 0.5, 1.0]), np.ones(3, bool), bins=2).counts
    assert counts.tolist() == [2, 1]


def test_robust_z_is_blind_to_the_outlier_itself() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 1000.0])
    assert metrics.robust_z(values)[4] == pytest.approx(0.6745 * 997)
    assert metrics.robust_z(np.ones(4)).tolist() == [0, 0, 0, 0]
