"""Each reader of what comes from outside, searched by a fuzzer: see `tests/fuzz/targets.py`."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.part import Part, progress

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "fuzz"

ABOUT = (
    "Each reader got what a fuzzer made that is guided by the lines and branches it reaches "
    "(atheris; the compiled loops with AddressSanitizer and UndefinedBehaviorSanitizer). What "
    "holds for every input: an error is one printable line of edged's own kind, at most 10 s and "
    "2 GiB, and what is read and written again is the same. One search runs on each core. "
    "`coverage` counts branches of edged that were reached, `corpus` the inputs that reach them. "
    "Measured on"
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
    rate: int = 0

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.seconds:.0f} | {self.inputs} | {self.rate} | {self.coverage} | "
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
    """All targets, as many at once as there are cores; `seconds` are of each."""
    from tests.fuzz.targets import TARGETS

    part = Fuzzed("What a fuzzer finds", ABOUT)
    if importlib.util.find_spec("atheris") is None or shutil.which("clang") is None:
        part.failures.append("not run: needs atheris (pip install 'edged[fuzz]') and clang")
        return part
    for compiled in (False, True):
        names = [name for name, target in TARGETS.items() if target.compiled == compiled]
        command = [sys.executable, "-m", "tests.fuzz", ",".join(names)]
        command += [f"--seconds={seconds:.0f}", f"--seed={seed}", f"--out={OUT}"]
        OUT.mkdir(parents=True, exist_ok=True)
        with (
            (OUT / "start.log").open("ab") as log,
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
            ) as searching,
        ):
            for line in searching.stdout or ():
                name = line.partition(":")[0]
                if name in names:
                    _add(part, name, seconds)
                    progress(len(part.searches) * seconds, len(TARGETS) * seconds, name)
        missing = {*names} - {one.name for one in part.searches}
        part.failures += [f"{name}: its search did not end" for name in sorted(missing)]
    return part


def _add(part: Fuzzed, name: str, seconds: float) -> None:
    said = (OUT / f"{name}.log").read_text(errors="replace")
    search = Search(name, seconds)
    part.searches.append(search)
    if found := _DONE.search(said):
        search.inputs, search.coverage, _, search.corpus, search.rate = map(int, found.groups())
        return
    what = [line for line in said.splitlines() if re.match(r" *(\w+Error|==\d+==|.*ERROR:)", line)]
    where = re.search(r"written to (\S+)", said)
    told = what[0][:200] if what else "it ended, and the fuzzer said nothing"
    part.failures.append(f"{name}: {told}" + (f" ({Path(where[1]).name})" if where else ""))
