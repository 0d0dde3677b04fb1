"""Time stamps of devices: what is odd about them is told, and the arrival counts instead."""

from __future__ import annotations

from edged.cameras.stamps import Stamps


def test_a_stamp_that_can_be_is_the_time_of_the_frame() -> None:
    stamps = Stamps("cam", 5.0)
    assert stamps.trusted(100.0, 100.02) == (100.0, None)
    assert stamps.trusted(100.0, 100.03) == (100.0, None)


def test_a_stamp_that_cannot_be_is_told_and_the_arrival_counts() -> None:
    stamps = Stamps("cam", 5.0)
    slow = "cam: its clock is 5.5 s slow; the time of arrival counts"
    assert stamps.trusted(94.5, 100.0) == (100.0, slow)
    fast = "cam: its clock is 1.0 s fast; the time of arrival counts"
    assert stamps.trusted(101.0, 100.0) == (100.0, fast)


def test_a_clock_that_goes_back_takes_no_frame_back() -> None:
    stamps = Stamps("cam", 5.0)
    stamps.trusted(100.0, 100.0)
    back = "cam: its clock went back; the time of arrival counts"
    assert stamps.trusted(99.0, 100.1) == (100.1, back)
    # Nor does one whose stamp lies before the arrival that counted.
    assert stamps.trusted(100.05, 100.2) == (100.2, back)
    assert stamps.trusted(100.3, 100.3) == (100.3, None)
