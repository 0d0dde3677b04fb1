"""How leaks are found, and that the whole set of processes works under load; `make soak`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.mosquitto import needs_mosquitto
from tests.pki import available
from tests.soak import Sample, grows, plot, report, slope, soak


def samples(mb_an_hour: float, mb_a_frame: float = 0.0) -> list[Sample]:
    """Of 400 s, with noise; the frame rate rises meanwhile."""
    noise = np.random.default_rng(0).normal(0.0, 0.2, 200)
    recent = [min(40 * n, 4000 + 10 * n) for n in range(200)]
    return [
        Sample(
            2.0 * n,
            80.0 + mb_an_hour * n / 1800 + mb_a_frame * recent[n] + noise[n],
            9,
            3,
            recent[n],
        )
        for n in range(200)
    ]


def test_a_leak_is_found_and_noise_or_a_ring_that_fills_is_none() -> None:
    found = slope(samples(50.0))
    assert found.leaks
    assert abs(found.slope - 50.0) < 3 * found.error
    assert not slope(samples(0.0)).leaks
    assert not slope(samples(0.0, mb_a_frame=0.001)).leaks
    assert slope(samples(50.0, mb_a_frame=0.001)).leaks


def test_descriptors_that_only_grow_are_found() -> None:
    assert grows([9] * 10 + [10] * 10 + [11] * 10)
    assert not grows([9, 12, 10] * 10)


@needs_mosquitto("a broker for the whole set of processes")
@pytest.mark.skipif(not available(), reason="openssl is not installed")
def test_all_processes_do_all_at_once_and_are_reported(tmp_path: Path) -> None:
    course = soak(tmp_path, 5.0)
    assert not course.failures
    assert course.done["frames"] > 0
    assert course.done["calls of the control socket"] > 0
    text, _ = report(course)
    assert all(f"{name}: too few samples" in text for name in course.samples)
    assert plot(course).count("<polyline") == len(course.samples) == 4
