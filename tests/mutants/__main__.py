"""`make mutants`: small faults are put into the code, one at a time; do the tests notice?

First the tests run once without a fault: they must pass, and each line of a module is noted with
the tests that run it. Then those tests, the quick ones first, judge each mutant.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from multiprocessing import Queue, get_context
from pathlib import Path
from typing import Any

from tests.mutants import report
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.trial import SURVIVED, BrokenError, Trial, preload, work

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
LAST_RUN = ROOT / "build" / "mutants.json"
UNTOUCHED = "no test runs it"
WITHOUT_BASE = "edged/reload.py"
"""Stands for what has changed where git has nothing to compare with."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="a module, as a pattern")
    parser.add_argument("--changed", action="store_true", help="what differs from the main branch")
    parser.add_argument("--rooms", type=int, help="of so many rooms, by chance")
    parser.add_argument("--sample", type=int, help="so many mutants, by chance")
    parser.add_argument("--seed", default="", help="of the chance; the commit where none is given")
    parser.add_argument("--limit-s", type=float, default=1e9, help="try mutants for this long")
    parser.add_argument("--again", action="store_true", help="not what the last run has killed")
    parser.add_argument(
        "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="trials at once"
    )
    parser.add_argument("--out", type=Path, help="write the report, of all modules")
    asked = parser.parse_args()
    began_s = time.monotonic()
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutants"]["rooms"]
    modules = {m: room for room in rooms for p in room["modules"] for m in _matching(p)}
    if asked.only:
        modules = {m: r for m, r in modules.items() if any(map(Path(m).match, asked.only))}
    if asked.changed:
        modules = {m: modules[m] for m in _changed() if m in modules}
        if not modules:
            print("nothing that faults are put into has changed")
            return 0
    chance = random.Random(asked.seed or _git("rev-parse", "HEAD"))  # noqa: S311
    if asked.rooms is not None:
        modules = _in_some_rooms(modules, asked.rooms, chance)
    tests = sorted({t for room in modules.values() for t in room["tests"]})
    last = json.loads(LAST_RUN.read_text()) if LAST_RUN.exists() else {}
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        # Some tests look at their folder as another user.
        Path(folder).chmod(0o755)
        trees = [Path(folder) / str(number) for number in range(asked.jobs)]
        _copy(trees[0])
        touched = _touched(trees[0], tests)
        for tree in trees[1:]:
            shutil.copytree(trees[0], tree, symlinks=True)
        found = [t for m in modules for t in _trials(m, touched)]
        total = len(found)
        if asked.sample is not None:
            size = min(asked.sample, len(found))
            found = chance.sample(found, size)
        remembered = last if asked.again else {}
        known = {
            t.mutant: v for t in found if (v := remembered.get(t.mutant.source)) in report.DEAD
        }
        print(f"{len(found)} mutants of {len(modules)} modules, {len(known)} known to be killed")
        unknown = [t for t in found if t.mutant not in known]
        verdicts = known | _judged(unknown, trees, asked.limit_s)
    LAST_RUN.parent.mkdir(exist_ok=True)
    LAST_RUN.write_text(json.dumps(last | {m.source: v for m, v in verdicts.items()}))
    partly = asked.only or asked.changed or asked.rooms
    took = f"{(time.monotonic() - began_s) / 60:.0f} minutes, {asked.jobs} trials at once"
    if known:
        took = "those that an earlier run has killed were not tried again"
    return report.tell(verdicts, total, took, None if partly else asked.out)


def _matching(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


def _in_some_rooms(modules: dict[str, Any], count: int, chance: random.Random) -> dict[str, Any]:
    """The modules of `count` rooms; a room is as likely as it has lines."""
    left = dict(modules)
    chosen: dict[str, Any] = {}
    while left and count:
        lines = [len((ROOT / module).read_text().splitlines()) for module in left]
        [drawn] = chance.choices(list(left), weights=lines)
        room = left[drawn]
        chosen |= {m: r for m, r in left.items() if r is room}
        left = {m: r for m, r in left.items() if r is not room}
        count -= 1
    return chosen


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _changed() -> list[str]:
    """The files that differ from the main branch, or from the commit before where this is it."""
    head = _git("rev-parse", "HEAD")
    branches = (_git("merge-base", "HEAD", branch) for branch in ("origin/main", "main"))
    bases = [
        base
        for base in (*branches, _git("rev-parse", "--verify", "HEAD~1"))
        if base and base != head
    ]
    return _git("diff", "--name-only", bases[0]).splitlines() if bases else [WITHOUT_BASE]


def _copy(tree: Path) -> None:
    files = _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    if not files:
        raise SystemExit("make mutants needs a checkout of git: it copies what git knows")
    for name in {*files, *_matching("edged/**/*.so")}:
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def _touched(tree: Path, tests: list[str]) -> dict[str, Any]:
    """Which tests run which lines, and the seconds of each test."""
    out = tree / "touched.json"
    environment = {**os.environ, "TOUCHED": str(out), "COVERAGE_CORE": "ctrace", "CI": "1"}
    environment["PYTHONPATH"] = f"{tree}:{os.environ.get('PYTHONPATH', '')}"
    options = ["-p", "tests.mutants.touched", "-p", "no:cacheprovider", "--no-header"]
    # Compiled once, here: copies of the tree need not do it for each mutant.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "edged"], cwd=tree, check=True)
    command = [sys.executable, "-m", "pytest", *options, *tests]
    if subprocess.run(command, cwd=tree, env=environment, check=False).returncode != 0:
        raise SystemExit("the tests must pass before mutants can be judged")
    touched: dict[str, Any] = json.loads(out.read_text())
    return touched


def _trials(module: str, touched: dict[str, Any]) -> Iterable[Trial]:
    lines: dict[str, list[str]] = touched["lines"].get(module, {})
    of_module = {test for tests in lines.values() for test in tests} - {""}
    for mutant in mutants(module, (ROOT / module).read_text()):
        tests = {test for line in mutant.lines for test in lines.get(str(line), ())}
        if "" in tests:  # What runs on import concerns all that use the module.
            tests = of_module
        yield Trial(mutant, {test: touched["seconds"][test] for test in tests})


def _judged(trials: list[Trial], trees: list[Path], limit_s: float) -> dict[Mutant, str]:
    """The verdicts; no trial begins later than `limit_s` after the first one could."""
    verdicts = {trial.mutant: UNTOUCHED for trial in trials if not trial.tests}
    waiting = [trial for trial in trials if trial.tests]
    every = {test: s for trial in waiting for test, s in trial.tests.items()}
    preload()
    fork = get_context("fork")
    todo: Queue[Any] = fork.Queue()
    done: Queue[Any] = fork.Queue()
    workers = [fork.Process(target=work, args=(tree, every, todo, done)) for tree in trees]
    for worker in workers:
        worker.start()
    sound = 0
    give_up_s = math.inf
    try:
        # Each worker says None when its tests have passed without a mutant: before, and after.
        while sound < 2 * len(workers):
            verdict = done.get()
            if isinstance(verdict, BrokenError):
                raise SystemExit(f"no verdict would mean anything: {verdict}")
            if verdict is None:
                sound += 1
                if sound == 1:
                    give_up_s = time.monotonic() + limit_s
            else:
                verdicts[verdict[0]] = verdict[1]
                if verdict[1] == SURVIVED:
                    print(f"survived  {verdict[0]}", flush=True)
                elif len(verdicts) % 100 == 0:
                    print(f"{len(verdicts)} of {len(trials)}", flush=True)
            if verdict is not None or sound <= len(workers):
                next_one = waiting.pop(0) if waiting and time.monotonic() < give_up_s else None
                todo.put(next_one)
    finally:
        for worker in workers:
            if worker.is_alive() and sound < 2 * len(workers):
                worker.terminate()
            worker.join()
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
