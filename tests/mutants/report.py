"""What became of the mutants: for the terminal, and as docs/reports/mutants.md."""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.mutants.mutations import Mutant
from tests.mutants.trial import HUNG, KILLED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REASONS = Path(__file__).parent / "reasons.toml"
TARGET = 0.85
UNLIKELY = 0.001
"""A sample with a result that is less likely than this where the target is met fails.

So small, because each change has its sample: of those that are well, one in a hundred would fail.
"""

DEAD = {KILLED, HUNG}

HEAD = """# Do the tests notice a fault?

Written by `make mutants`. A mutant is the code with one small fault: a statement left out, a
condition turned round, another number. The tests that run the changed lines must fail, or hang,
then the mutant is killed. Before and after, the same tests pass without a fault. What a survivor
stands for is said below; the reasons are kept in `tests/mutants/reasons.toml`.

{killed} of {all} mutants killed: {share:.1f} %, {hung} of them by a time limit ({took}).

| module | mutants | killed | |
| --- | ---: | ---: | ---: |
"""


def tell(verdicts: dict[Mutant, str], total: int, took: str, out: Path | None) -> int:
    """Say it; the exit status is 1 where too few were killed.

    A survivor without a reason is an error of a whole run, which has all of `total` mutants and
    writes its report to `out`. Of a sample, more of them than chance allows are.
    """
    reasons = tomllib.loads(REASONS.read_text()).get("survivor", [])
    survivors = {m: _reason(m, reasons) for m, v in verdicts.items() if v not in DEAD}
    for mutant in (m for m, reason in survivors.items() if reason is None):
        print(f"no test fails, and no reason is given ({verdicts[mutant]}): {mutant}")
    killed = len(verdicts) - len(survivors)
    share = killed / max(1, len(verdicts))
    print(f"{killed} of {len(verdicts)} killed, {share:.1%} ({took})")
    if out is not None:
        if len(verdicts) < total:
            took = f"a sample, by chance, of all {total}; {took}"
        out.write_text(_document(verdicts, survivors, took))
    if out is not None and len(verdicts) == total:
        for entry in reasons:
            if not any(_fits(m, entry) for m in survivors):
                print(f"in {REASONS.name}, but killed or gone: {entry}")
        return int(None in survivors.values() or share < TARGET)
    unexplained = list(survivors.values()).count(None)
    return int(_chance(len(verdicts) - unexplained, len(verdicts)) < UNLIKELY)


def _chance(killed: int, number: int) -> float:
    """That of so many mutants no more are killed, where a share of `TARGET` is (binomial)."""
    return sum(
        math.comb(number, few) * TARGET**few * (1 - TARGET) ** (number - few)
        for few in range(killed + 1)
    )


def _fits(mutant: Mutant, entry: dict[str, Any]) -> bool:
    """Each field is the mutant's; ``lacks`` is a piece of ``was`` that is not in ``now``."""
    text = entry.get("lacks", "")
    same = all(getattr(mutant, k) == v for k, v in entry.items() if k not in ("lacks", "reason"))
    return same and text in mutant.was and (not text or text not in mutant.now)


def _reason(mutant: Mutant, reasons: list[dict[str, Any]]) -> str | None:
    return next((entry["reason"] for entry in reasons if _fits(mutant, entry)), None)


def _document(verdicts: dict[Mutant, str], survivors: dict[Mutant, str | None], took: str) -> str:
    every, alive = Counter(m.module for m in verdicts), Counter(m.module for m in survivors)
    killed = len(verdicts) - len(survivors)
    text = HEAD.format(
        killed=killed,
        all=len(verdicts),
        share=100 * killed / len(verdicts),
        hung=sum(v == HUNG for v in verdicts.values()),
        took=took,
    )
    for module, count in sorted(every.items()):
        dead = count - alive[module]
        text += f"| {module} | {count} | {dead} | {100 * dead / count:.0f} % |\n"
    by_reason: defaultdict[str, list[Mutant]] = defaultdict(list)
    for mutant, reason in survivors.items():
        by_reason[reason or "To be tested."].append(mutant)
    text += f"\n## The {len(survivors)} survivors, by reason\n"
    for reason, mutants in sorted(by_reason.items()):
        text += f"\n{reason}\n\n"
        for m in sorted(mutants, key=lambda m: (m.module, m.lines.start, m.now)):
            text += f"- {m.module}, `{m.where}`: `{m.was}` → `{m.now}`\n"
    return text
