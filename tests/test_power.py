"""The power fails, or the process is killed, in the middle of a swap: one whole model is left.

`make torture` cuts a hundred times.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.power import Disk, Swapping, available, check_whole


def test_a_process_that_is_killed_in_a_swap_leaves_one_whole_model(tmp_path: Path) -> None:
    chance = random.Random(0)  # noqa: S311 (no secret)
    for _ in range(3):
        swapping = Swapping(tmp_path / "slots")
        finished = swapping.cut_after(chance.uniform(0.0, 0.2), swapping.kill)
        check_whole(tmp_path / "slots", finished)


def test_a_power_cut_in_a_swap_leaves_one_whole_model(tmp_path: Path) -> None:
    if not available(tmp_path / "probe"):
        pytest.skip("needs root, a loop device and ext4")
    chance = random.Random(0)  # noqa: S311 (no secret)
    disk = Disk(tmp_path)
    for _ in range(3):
        with disk:
            finished = Swapping(disk.place / "slots").cut_after(chance.uniform(0.0, 0.2), disk.cut)
        with disk:
            check_whole(disk.place / "slots", finished)
