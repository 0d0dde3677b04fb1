"""The guard as a child of the daemon, with stand-ins that end, hang or cannot be started."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edged.guard import process
from edged.guard.guard import SPIN_S
from edged.guard.process import GuardProcess
from tests.mosquitto import wait_until

OPENING = {
    "gpio": {"factory": "mock", "chip": "", "deadman_s": 60.0},
    "outputs": [],
    "inputs": [],
    "levels": [],
    "at_start": True,
}


@contextmanager
def started(heard: list[Any]) -> Iterator[GuardProcess]:
    guard = GuardProcess(lambda: OPENING, lambda *words: heard.append(words))
    try:
        yield guard
    finally:
        guard.end()


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(process, "COMMAND", words)


def gone(heard: list[Any]) -> list[str]:
    return [words[1] for words in heard if words[0] == "gone"]


def test_a_guard_says_when_the_pins_are_open_and_ends_when_it_is_told() -> None:
    heard: list[Any] = []
    with started(heard) as guard:
        wait_until(lambda: ("ready",) in heard)
        pid = guard._pid
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert gone(heard) == []


def test_what_is_sent_to_a_guard_that_has_ended_is_not_taken() -> None:
    heard: list[Any] = []
    with started(heard) as guard:
        wait_until(lambda: ("ready",) in heard)
        assert guard.send("beat")
    assert not guard.send("beat")


def test_a_guard_that_ends_is_started_again_and_says_how_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command(monkeypatch, sys.executable, "-S", "-c", "raise SystemExit(3)")
    heard: list[Any] = []
    with started(heard):
        wait_until(lambda: len(gone(heard)) >= 3)
    assert set(gone(heard)) == {"the pin guard has ended: exit status 3; restarting it"}


def test_a_guard_that_cannot_be_started_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command(monkeypatch, "/nowhere/python")
    heard: list[Any] = []
    with started(heard):
        wait_until(lambda: gone(heard))
        monkeypatch.undo()
        wait_until(lambda: ("ready",) in heard)
    assert "cannot be started: No such file or directory" in gone(heard)[0]


def test_a_guard_that_answers_no_beat_is_ended_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "ANSWER_S", 0.1)
    hang = "import time; time.sleep(3600)"
    command(monkeypatch, sys.executable, "-S", "-c", hang)
    heard: list[Any] = []
    with started(heard) as guard:
        assert guard.send("beat")
        wait_until(lambda: gone(heard))
        monkeypatch.undo()
        wait_until(lambda: ("ready",) in heard)
    assert "SIGKILL" in gone(heard)[0]
    assert "the pin guard hangs; killing it" in caplog.messages


def test_a_guard_that_nobody_beats_to_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ANSWER_S", 0.02)
    heard: list[Any] = []
    with started(heard) as guard:
        wait_until(lambda: ("ready",) in heard)
        assert guard.send("beat")
        wait_until(lambda: guard._unanswered_s is None)
        time.sleep(0.2)
    assert gone(heard) == []


def test_a_guard_that_does_not_end_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "END_S", 0.05)
    command(monkeypatch, sys.executable, "-S", "-c", "import time; time.sleep(1)")
    with started([]) as guard:
        pass
    assert guard._thread.is_alive()
    assert caplog.messages == ["the pin guard does not exit: a pin's driver may hang"]
    wait_until(lambda: not guard._thread.is_alive())


def test_where_it_is_permitted_the_guard_runs_before_all_others() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("real-time scheduling is not permitted here")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    heard: list[Any] = []
    with started(heard) as guard:
        wait_until(lambda: ("ready",) in heard)
        wait_until(
            lambda: os.sched_getscheduler(guard._pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
        )
        soft_us, hard_us = resource.prlimit(guard._pid, resource.RLIMIT_RTTIME)
    assert soft_us == hard_us == SPIN_S * 1e6
