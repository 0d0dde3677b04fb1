"""When the tests are good enough, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutations import Mutant, mutants
from tests.mutants.report import tell
from tests.mutants.trial import KILLED, SURVIVED


def verdicts(killed: int, survived: int) -> dict[Mutant, str]:
    lines = "".join(f"    told({number})\n" for number in range(killed + survived))
    left_out = [m for m in mutants("edged/x.py", f"def f():\n{lines}") if m.now == "pass"]
    assert len(left_out) == killed + survived
    return dict(zip(left_out, [KILLED] * killed + [SURVIVED] * survived, strict=True))


@pytest.mark.parametrize(("killed", "status"), [(60, 0), (42, 0), (41, 1), (0, 1)])
def test_a_sample_may_have_as_many_survivors_as_chance_allows(killed: int, status: int) -> None:
    assert tell(verdicts(killed, 60 - killed), 1000, "no time", None) == status


def test_one_survivor_alone_says_nothing() -> None:
    assert tell(verdicts(0, 1), 1000, "no time", None) == 0


def test_a_whole_run_may_have_none_without_a_reason(tmp_path: Path) -> None:
    out = tmp_path / "mutants.md"
    assert tell(verdicts(60, 0), 60, "no time", out) == 0
    assert tell(verdicts(59, 1), 60, "no time", out) == 1
    assert "59 of 60 mutants killed: 98.3 %" in out.read_text()
    assert "To be tested.\n\n- edged/x.py, `f`: `told(59)` → `pass`" in out.read_text()


def test_a_sample_is_called_one(tmp_path: Path) -> None:
    out = tmp_path / "mutants.md"
    assert tell(verdicts(59, 1), 1000, "no time", out) == 0
    assert "(a sample, by chance, of all 1000; no time)" in out.read_text()


def test_nothing_tried_is_no_failure() -> None:
    assert tell({}, 0, "no time", None) == 0
