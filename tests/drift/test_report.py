"""A part of docs/reports/drift.md, measured again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.drift.measure import Used, false_alarms, faults, photograph
from tests.test_docs import ROOT

REPORT = (ROOT / "docs" / "reports" / "drift.md").read_text()


def test_the_report_says_that_false_alarms_are_at_most_one_a_week() -> None:
    rates = re.findall(r"^\| (?:lamp|dark|infrared|room) .*\| +([\d.]+) \|$", REPORT, re.MULTILINE)
    assert len(rates) == 4
    assert max(map(float, rates)) <= 1


def test_the_report_says_that_a_frame_costs_at_most_20_us() -> None:
    (cost_us,) = re.findall(r"([\d.]+) µs a frame", REPORT.replace("\n", " "))
    assert float(cost_us) <= 20


@pytest.fixture
def pictures(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "imagenet-sample" / "img").iterdir())[::23]


def test_a_day_and_a_night_have_no_false_alarm_and_faults_are_told_after_them(
    pictures: list[Path], tmp_path: Path
) -> None:
    used = Used(photograph(pictures[1]), "lamp", 0, tmp_path)
    assert false_alarms(used.told) == 0
    found = [
        (fault.cause, used.befallen(fault).first) for fault in faults(photograph(pictures[2]))[:4]
    ]
    assert all(told == cause for cause, told in found), found
