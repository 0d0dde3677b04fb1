"""Whatever its camera does, a daemon goes on: real processes. ``make torture`` has the times."""

from __future__ import annotations

import random
from pathlib import Path

from tests.cameras.isolation.whole import HARMLESS, TOLD, Whole, whole
from tests.mosquitto import wait_until


def test_a_daemon_its_commands_and_its_pins_go_on_through_every_fault_of_its_camera(
    tmp_path: Path,
) -> None:
    faults = [*TOLD, *HARMLESS]
    random.Random(19).shuffle(faults)  # noqa: S311 (no secret)
    with whole(tmp_path) as running:
        for fault in faults:
            if fault in HARMLESS:
                running.shrugs_off(fault)
            else:
                running.suffers(fault)
        events = running.ask("status")["last_event"]
        assert events > 0


def test_no_camera_outlives_its_daemon(tmp_path: Path) -> None:
    running = Whole(tmp_path)
    wait_until(lambda: running.levels.of("LAMP") == 1)
    pid = running.camera()
    running.switch.fault = "hang"
    wait_until(lambda: running.switch.fault == "none")
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
