"""Each reader of what comes from outside, searched by a fuzzer: see `tests/fuzz/targets.py`."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.part import Part, progress

ROOT = Path(__file__).parents[2]

ABOUT = (
    "Each reader got what a fuzzer made that is guided by the lines and branches it reaches "
    "(atheris; the compiled loops with AddressSanitizer and UndefinedBehaviorSanitizer). What "
    "holds for every input: an error is one printable line of edged's own kind, at most 10 s and "
    "2 GiB, and what is read and written again is the same. `coverage` counts branches of edged that were "
    "reached, `corpus` the inputs that reach them. Measured on"
)

_DONE = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+ .*?exec/s: (\d+)")


@dataclass
class Search:
    """What came of one target."""

    name: str
    seconds: float
    inputs: int = 0
    coverage: int = 0
    corpus: int = 0

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        return (
            f"| {self.name} | {self.seconds:.0f} | {self.inputs} | {rate:.0f} | {self.coverage} | "
            f"{self.corpus} |"
        )


@dataclass
class Fuzzed(Part):
    searches: list[Search] = field(default_factory=list)

    def section(self, name: str, machine: str) -> str:
        lines = [
            f"<!-- {name} -->",
            f"## {self.title}",
            "",
            f"{self.about} {machine}.",
            "",
            "| reader | s | inputs | per s | coverage | corpus |",
            "|---|--:|--:|--:|--:|--:|",
            *map(str, self.searches),
            "",
            f"{len(self.failures)} failures." if self.failures else "No failure.",
            *(f"- {failure}" for failure in self.failures),
        ]
        return "\n".join(lines) + "\n"


def run(seconds: float, seed: int) -> Part:
    """All targets, one after another; `seconds` are of each."""
    from tests.fuzz.targets import TARGETS

    part = Fuzzed("What a fuzzer finds", ABOUT)
    for number, name in enumerate(TARGETS):
        progress(number * seconds, len(TARGETS) * seconds, name)
        search, failure = _search(name, seconds, seed)
        part.searches.append(search)
        if failure:
            part.failures.append(failure)
    return part


def _search(name: str, seconds: float, seed: int) -> tuple[Search, str]:
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, f"--seconds={seconds:.0f}", f"--seed={seed}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace")
    search = Search(name, time.monotonic() - began_s)
    if found := _DONE.search(said):
        inputs, search.coverage, _, search.corpus, _ = map(int, found.groups())
        search.inputs = inputs
    if done.returncode == 0 and found:
        return search, ""
    what = [line for line in said.splitlines() if re.match(r" *(\w+Error|==\d+==|.*ERROR:)", line)]
    where = re.search(r"written to (\S+)", said)
    told = what[0][:200] if what else f"it ended with status {done.returncode}"
    return search, f"{name}: {told}" + (f" ({Path(where[1]).name})" if where else "")
