"""Numbers are given once: reserved ones, or such that nobody has been near."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.journal.numbers import BLOCK, HIGHEST, Numbers, read_mark, somewhere_above, write_mark


def test_the_first_number_is_1_once_it_is_reserved() -> None:
    numbers = Numbers()
    assert not numbers.may_give(1)
    assert numbers.to_reserve() == BLOCK
    numbers.reserved(BLOCK)
    assert numbers.may_give(1)
    assert numbers.give(1) == 1


def test_no_number_is_given_before_it_is_reserved() -> None:
    numbers = Numbers()
    numbers.start_after(40)
    assert not numbers.may_give(1)
    assert numbers.to_reserve() == 40 + BLOCK
    numbers.reserved(40 + BLOCK)
    assert numbers.may_give(BLOCK)
    assert not numbers.may_give(BLOCK + 1)
    assert numbers.give(2) == 41
    assert numbers.give(1) == 43


def test_more_are_reserved_when_half_of_them_are_given() -> None:
    numbers = Numbers()
    numbers.start_after(0)
    numbers.reserved(BLOCK)
    numbers.give(BLOCK // 2)
    assert numbers.to_reserve() is None
    numbers.give(1)
    assert numbers.to_reserve() == BLOCK // 2 + 1 + BLOCK


def test_as_many_are_reserved_as_come_at_once() -> None:
    numbers = Numbers()
    numbers.start_after(0)
    assert not numbers.may_give(10 * BLOCK)
    assert numbers.to_reserve() == 10 * BLOCK


def test_after_a_leap_numbers_are_given_until_a_reservation_reaches_them() -> None:
    numbers = Numbers()
    numbers.start_after(5)
    numbers.leap(1.7e9)
    assert numbers.may_give(10_000)
    first = numbers.give(300)
    numbers.reserved(first + 10)
    assert numbers.may_give(10_000)
    numbers.reserved(first + 299)
    assert not numbers.may_give(1)


@pytest.mark.parametrize("start_s", [1.7e9, 2.0**32 - 1000])
def test_leaps_of_later_seconds_go_higher(start_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    leaps = [somewhere_above(7, start_s + second) for second in range(1000)]
    assert leaps == sorted(set(leaps))
    # However small the part that is left to chance.
    monkeypatch.setattr("os.urandom", bytes)
    assert somewhere_above(7, start_s + 999) > max(leaps[:-1])


def test_leaps_in_one_second_hardly_ever_meet() -> None:
    assert len({somewhere_above(7, 1.7e9) for _ in range(1000)}) > 950


@pytest.mark.parametrize("wall_s", [-1e9, 0.0, 1.7e9, 4.3e9, 1e18])
def test_a_leap_stays_within_what_json_readers_hold_whatever_the_clock_says(wall_s: float) -> None:
    # A third of all numbers is left for those that are given one by one.
    assert 2**40 < somewhere_above(2**40, wall_s) <= HIGHEST * 2 // 3


@pytest.mark.parametrize("number", [12345, HIGHEST])
def test_the_mark_is_read_as_it_was_written(tmp_path: Path, number: int) -> None:
    write_mark(tmp_path / "mark", number)
    assert read_mark(tmp_path / "mark") == number
    assert (tmp_path / "mark").read_text() == f"{number}\n"


@pytest.mark.parametrize(
    "text", ["", "-3", "12 34", "1e3", "x" * 9000, f"{HIGHEST + 1}", "9" * 30, "\x00" * 8]
)
def test_a_damaged_mark_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "mark").write_text(text)
    assert read_mark(tmp_path / "mark") is None


def test_no_mark_says_nothing(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "mark") is None


def test_a_mark_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mark")
    with pytest.raises(OSError, match="mark: not a regular file"):
        read_mark(tmp_path / "mark")


def test_a_leap_gives_no_number_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", bytes)
    numbers = Numbers()
    numbers.start_after(5)
    numbers.give(3)
    numbers.leap(0.0)
    assert numbers.give(1) == 9
