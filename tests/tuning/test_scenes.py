"""The report on tuning, in small: real pictures, before a camera that shakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edged.config.schema import RuleConfig
from edged.tuning.marks import read
from edged.tuning.search import outcomes, tune
from edged.tuning.tracks import material
from tests.tuning.__main__ import RULES
from tests.tuning.scenes import record

REPORT = Path(__file__).parents[2] / "docs" / "reports" / "tuning.md"


def rows(section: str) -> dict[tuple[str, str], list[float]]:
    """By rule and kind of settings: marks, missed, false alarms."""
    text = REPORT.read_text().partition(f"## {section}")[2].partition("\n## ")[0]
    found = {}
    for line in re.findall(r"^\| ([^-].*) \|$", text, re.M)[1:]:
        rule, settings, marks, missed, _, alarms, *_ = line.split(" | ")
        found[rule.strip("*"), settings] = [int(marks), int(missed), int(alarms)]
    return found


def test_the_report_says_that_false_alarms_are_halved_at_equal_recall_on_what_was_not_seen() -> (
    None
):
    found = rows("Unseen")
    for rule in (*RULES, "all"):
        marks, missed, alarms = found[rule, "defaults"]
        marks_too, missed_then, alarms_then = found[rule, "found"]
        assert marks == marks_too
        assert alarms_then <= alarms / 2, rule
        assert missed_then - missed <= 0.05 * marks, rule
    (marks, missed, _), (_, missed_then, _) = found["all", "defaults"], found["all", "found"]
    assert (missed_then - missed) / marks <= 0.005
    assert marks > 250


@pytest.mark.timeout(300)
def test_it_is_so_again(shared_data: Path, tmp_path: Path) -> None:
    rule = RuleConfig(name="dog", labels=["dog"])
    found = []
    for half in (0, 1):
        path, marks = tmp_path / f"{half}.rec", tmp_path / f"{half}.csv"
        record(path, marks, shared_data, rule, seed=21 + half, half=half, minutes=8.0)
        found.append(material([path], read(marks), "dog"))
    seen, unseen = found
    tuned = tune(seen.tracks, seen.now, tries=200, seed=0)
    before, after = (one.whole for one in outcomes(unseen.tracks, [seen.now, tuned.found.settings]))
    assert before.false_alarms >= 4
    assert after.false_alarms <= before.false_alarms / 2
    assert after.misses <= before.misses + 1
