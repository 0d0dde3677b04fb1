"""However a daemon dies, its outputs are at their safe level: real processes, a chip in a file.

How soon is measured by ``make torture``.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.guard.deaths import WAYS, daemon, dies
from tests.mosquitto import wait_until


@pytest.mark.parametrize("way", WAYS)
def test_outputs_are_safe_after_every_kind_of_death(tmp_path: Path, way: str) -> None:
    # `dies` waits for the safe levels, and fails where they do not come.
    dies(tmp_path, way, random.Random(way).uniform(0.0, 0.3))  # noqa: S311 (no secret)


def test_a_daemon_that_goes_on_after_a_stop_has_its_levels_again(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        for _ in range(2):
            running.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: running.is_safe)
            running.process.send_signal(signal.SIGCONT)
            wait_until(lambda: running.is_on)
        log = tmp_path / "log"
        wait_until(lambda: log.read_text().count("edged's loop runs again") >= 2)
        assert "edged's loop has stalled for 0.5 s" in log.read_text()


def test_a_guard_that_is_killed_is_missed_and_comes_again_with_the_levels(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        (guard,) = running.guards()
        os.kill(guard, signal.SIGKILL)
        wait_until(lambda: running.guards() not in ([], [guard]))
        # The new one puts the lamp to what the rule says, whatever happened to it meanwhile.
        wait_until(lambda: 'output "lamp" is driven' in (tmp_path / "log").read_text())
        wait_until(lambda: running.is_on)
        said = (tmp_path / "log").read_text()
        assert "the pin guard has ended: SIGKILL" in said
        running.process.terminate()
        running.process.wait()
        assert running.is_safe


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT])
def test_a_guard_is_deaf_to_what_ends_a_service(tmp_path: Path, number: signal.Signals) -> None:
    with daemon(tmp_path) as running:
        (guard,) = running.guards()
        os.kill(guard, number)
        running.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: running.is_safe)
        running.process.kill()
        wait_until(lambda: not Path(f"/proc/{guard}").exists())


def test_the_kernel_ends_the_daemon_before_its_guard_where_it_wants_memory(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        pid = running.process.pid
        (guard,) = running.guards()

        def adjusted(one: int) -> int:
            return int(Path(f"/proc/{one}/oom_score_adj").read_text())

        wait_until(lambda: adjusted(pid) > adjusted(guard))
