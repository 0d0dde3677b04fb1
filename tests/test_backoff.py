"""How long to wait before what has failed is tried again."""

from __future__ import annotations

import pytest

from edged.backoff import backoff_s


@pytest.mark.parametrize(
    ("failures", "chance", "expected_s"),
    [
        (1, 0.0, 0.5),
        (1, 1.0, 1.0),
        (2, 0.0, 1.0),
        (2, 1.0, 2.0),
        (4, 0.0, 4.0),
        (4, 1.0, 8.0),
        (9, 0.0, 15.0),
        (9, 1.0, 30.0),
        (100_000, 1.0, 30.0),
    ],
)
def test_the_wait_doubles_between_its_limits(
    failures: int, chance: float, expected_s: float
) -> None:
    assert backoff_s(failures, 0.5, 30.0, lambda: chance) == expected_s


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_limits_that_are_close_are_kept(chance: float) -> None:
    assert 20.0 <= backoff_s(1, 20.0, 30.0, lambda: chance) <= 30.0


def test_a_least_wait_above_the_most_keeps_to_the_most() -> None:
    assert backoff_s(1, 60.0, 30.0, lambda: 1.0) == 30.0


def test_devices_that_lost_the_same_broker_come_back_one_by_one() -> None:
    assert len({backoff_s(1, 1.0, 60.0) for _ in range(100)}) > 90
