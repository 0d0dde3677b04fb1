"""Whether the tests notice a mutant: each is tried in a process and a copy of the tree."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing import Queue
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.mutants.mutations import Mutant

TEST_LIMIT_S = 5.0
"""How long a test may take, beyond five times what it takes without a mutant: else it hangs."""

KILLED, SURVIVED, HUNG = "killed", "survived", "hung"
# A time limit that is reached in one of pytest's own hooks is an internal error to it.
KILLING = {
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
}


class Trial(NamedTuple):
    """A mutant, and the tests that run what it changes, each with its time in s."""

    mutant: Mutant
    tests: dict[str, float]


class BrokenError(Exception):
    """The tests cannot be run, or fail without a mutant: no verdict would mean anything."""


class Chosen:
    """A pytest plugin: these tests alone, the quick ones first, none longer than it may."""

    def __init__(self, tests: dict[str, float]) -> None:
        self._tests = tests
        self.ended = False

    def pytest_sessionfinish(self) -> None:
        self.ended = True

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]
        items.sort(key=lambda item: self._tests[item.nodeid])
        for item in items:
            limit_s = TEST_LIMIT_S + 5 * self._tests[item.nodeid]
            item.add_marker(pytest.mark.timeout(limit_s))


def preload() -> None:
    """Import what all tests need and no mutant changes; every trial is forked from here."""
    # With CI hypothesis tries the same examples each time; it looks when it is imported.
    os.environ["CI"] = "1"
    import hypothesis
    import msgspec
    import numpy
    import paho.mqtt.client
    import PIL.Image
    from ai_edge_litert import interpreter

    del hypothesis, interpreter, msgspec, numpy, paho, PIL


def work(tree: Path, every: dict[str, float], trials: Queue[Any], verdicts: Queue[Any]) -> None:
    """Try what comes, until None. In `tree` without a mutant the tests must pass, before and after.

    `every` has all tests that count.
    """
    try:
        _must_pass(tree, every)
        verdicts.put(None)
        while (trial := trials.get()) is not None:
            verdicts.put((trial.mutant, judged(tree, trial)))
        _must_pass(tree, every)
        verdicts.put(None)
    except BrokenError as error:
        verdicts.put(error)


def judged(tree: Path, trial: Trial) -> str:
    """The verdict on one mutant."""
    module = tree / trial.mutant.module
    original = module.with_suffix(".original")
    # Moved, so that its time is kept and what is compiled of it stays valid.
    shutil.move(module, original)
    try:
        module.write_text(trial.mutant.source)
        status = _status(tree, trial.tests)
    finally:
        shutil.move(original, module)
    if status is None:
        return HUNG
    if status == pytest.ExitCode.OK:
        return SURVIVED
    if status < 0 or status in KILLING:
        return KILLED
    said = (tree / "said").read_text()[-3000:]
    raise BrokenError(f"{trial.mutant}: pytest ended with status {status}:\n{said}")


def _must_pass(tree: Path, tests: dict[str, float]) -> None:
    # Twice, if need be: on a busy computer a test may fail by its time.
    status = _status(tree, tests) and _status(tree, tests)
    if status != pytest.ExitCode.OK:
        said = (tree / "said").read_text()[-3000:]
        raise BrokenError(f"without any mutant the tests end with {status}:\n{said}")


def _status(tree: Path, tests: dict[str, float]) -> int | None:
    """Pytest's exit status, negative for a signal; None where it did not end in time."""
    limit_s = 20 + TEST_LIMIT_S + 5 * sum(tests.values())
    pid = os.fork()
    if pid == 0:
        _run(tree, tests)
    give_up_s = time.monotonic() + limit_s
    try:
        while time.monotonic() < give_up_s:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None
    finally:
        # And what it may have left behind: brokers, and what one mutant's end must not spoil for
        # the next, its files.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(tree / "tmp", ignore_errors=True)
        if (tree / "tmp").exists():
            raise BrokenError(f"{tree / 'tmp'}: cannot be removed; is something mounted there?")


def _run(tree: Path, tests: dict[str, float]) -> None:
    chosen, status = Chosen(tests), int(pytest.ExitCode.USAGE_ERROR)
    try:
        os.setsid()
        os.chdir(tree)
        with (tree / "said").open("wb") as said:
            for number in (1, 2):
                os.dup2(said.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(p for p in sys.path if not (Path(p) / "edged").is_dir())]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "edged")]:
            del sys.modules[name]
        # What is compiled of a mutant must not stay.
        sys.dont_write_bytecode = True
        files = sorted({test.partition("::")[0] for test in tests})
        options = ["-x", "-p", "no:cacheprovider", "--basetemp", str(tree / "tmp")]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of `preload`
        status = int(pytest.main([*options, *files], plugins=[chosen]))
    except BaseException:
        traceback.print_exc()
        if chosen.ended:
            # After the tests: something was left open, or raised where nobody could hear it.
            status = pytest.ExitCode.TESTS_FAILED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
