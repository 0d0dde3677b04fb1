"""How far the wall clock is trusted, and how its dates are put right."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from edged import clock
from edged.clock import SET, SYNCHRONIZED, UNSET, Reading
from edged.messages.message import Moment

NOW_S = 1.8e9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine whose kernel gives an answer, and whose timesyncd has set the clock or not."""

    def make(state: int, *, timesyncd: bool = False) -> None:
        monkeypatch.setattr(clock, "_libc", lambda: SimpleNamespace(adjtimex=lambda _: state))
        file = tmp_path / "synchronized"
        monkeypatch.setattr(clock, "TIMESYNCD", file)
        if timesyncd:
            file.touch()

    return make


@pytest.mark.parametrize(
    ("state", "timesyncd", "trust"),
    [
        (0, False, SYNCHRONIZED),
        (1, False, SYNCHRONIZED),
        (5, False, SET),
        (-1, False, SET),
        (-1, True, SYNCHRONIZED),
        (5, True, SYNCHRONIZED),
    ],
)
def test_a_clock_is_trusted_as_the_kernel_or_timesyncd_says(
    machine, state: int, timesyncd: bool, trust: int
) -> None:
    machine(state, timesyncd=timesyncd)
    assert clock.trust(NOW_S) == trust
    assert Moment.now("porch", lambda: 1.0, lambda: NOW_S).synced is (trust == SYNCHRONIZED)


def test_a_date_that_cannot_be_right_is_not_trusted_whatever_is_said(machine) -> None:
    machine(0, timesyncd=True)
    assert clock.trust(30.0) == UNSET
    assert clock.trust(clock.PLAUSIBLE_S) == SYNCHRONIZED


def test_the_real_kernel_answers() -> None:
    assert clock.trust(NOW_S) in (SET, SYNCHRONIZED)
    assert clock.read(lambda: NOW_S).offset_s < NOW_S
    assert not clock._boot.__wrapped__().startswith("unknown-")


def test_what_is_known_better_later_corrects_what_was_said_before() -> None:
    before = Reading("boot", 0.0, UNSET)
    assert before.correction_s(Reading("boot", NOW_S, SYNCHRONIZED)) == NOW_S
    assert before.correction_s(Reading("boot", NOW_S, SET)) == NOW_S


def test_a_clock_that_was_set_forward_corrects_also_where_nobody_says_who_set_it() -> None:
    before = Reading("boot", NOW_S, SET)
    assert before.correction_s(Reading("boot", NOW_S + 61.0, SET)) == 61.0
    assert before.correction_s(Reading("boot", NOW_S + clock.STEP_S, SET)) == 0.0
    assert before.correction_s(Reading("boot", NOW_S + 59.0, SET)) == 0.0
    assert before.correction_s(Reading("boot", NOW_S - 61.0, SET)) == 0.0


@pytest.mark.parametrize(
    ("trust", "later"),
    [
        (SYNCHRONIZED, Reading("boot", NOW_S, SYNCHRONIZED)),
        (SET, Reading("boot", NOW_S, UNSET)),
        (UNSET, Reading("another", NOW_S, SYNCHRONIZED)),
    ],
)
def test_nothing_is_corrected_by_what_is_not_known_better(trust: int, later: Reading) -> None:
    assert Reading("boot", 0.0, trust).correction_s(later) == 0.0


def test_a_boot_without_a_name_is_like_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "absent")
    assert clock._boot.__wrapped__().startswith("unknown-")
