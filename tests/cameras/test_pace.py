"""A steady schedule of frames, on a clock that stands still until somebody sleeps."""

from __future__ import annotations

import pytest

from edged.cameras.pace import Pace


class StillClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def test_frames_are_due_one_period_apart_from_the_first_on(clock: StillClock) -> None:
    pace = Pace(10.0, clock, clock.sleep)
    assert [pace.wait() for _ in range(4)] == pytest.approx([100.0, 100.1, 100.2, 100.3])
    assert pace.started_s == 100.0
    assert clock.now_s == pytest.approx(100.3)


def test_a_little_work_between_two_frames_shifts_nothing(clock: StillClock) -> None:
    pace = Pace(10.0, clock, clock.sleep)
    times_s = []
    for _ in range(1000):
        times_s.append(pace.wait())
        clock.now_s += 0.03
    assert times_s[-1] == pytest.approx(100.0 + 999 * 0.1)


def test_late_frames_are_left_out_and_not_made_up_for(clock: StillClock) -> None:
    pace = Pace(10.0, clock, clock.sleep)
    pace.wait()
    clock.now_s = 101.25
    assert pace.wait() == pytest.approx(101.2)
    assert clock.now_s == 101.25
    assert pace.wait() == pytest.approx(101.3)
