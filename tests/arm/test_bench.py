"""What `make bench-arm` makes of what the emulated computers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.arm import MARK, report
from benchmarks.arm.__main__ import check
from benchmarks.arm.computer import answer
from benchmarks.results import Part

FRAME = "frame/bundled/vga"


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    """What the guest's program says of this machine, whose clock counts no instructions."""
    command = (sys.executable, "-m", "benchmarks.arm.guest")
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=report.ROOT)
    said = answer(ran.stdout)
    assert said is not None
    found: dict[str, float] = said["figures"]
    return found


def document(**cores: dict[str, float]) -> dict[str, Any]:
    return {
        "about": {"source": "abc1234"},
        "absent": ["cortex-a78ae"],
        "features": {},
        "cores": {name.replace("_", "-"): figures for name, figures in cores.items()},
    }


def test_every_row_of_the_report_is_measured(figures: dict[str, float]) -> None:
    rows = [row for rows in report.TABLES.values() for row in rows]
    rows += [target.row for target in report.TARGETS]
    missing = [row.what for row in rows if row.of(figures) is None]
    # Without real models beside the checkout there is only the bundled one.
    assert not missing or not any("mobilenet" in name for name in figures)
    kinds = {name.split("/")[0] for name in figures}
    assert {row.name.split("/")[0] for row in rows} - {"way"} == kinds - {"way"}


def test_the_line_is_found_among_what_the_kernel_says() -> None:
    log = f'[    0.1] boot\r\n{MARK}{{"figures": {{}}}}\r\n[    9.9] reboot: Power down\r\n'
    assert answer(log) == {"figures": {}}


@pytest.mark.parametrize("log", ["", "[ 0.1] Kernel panic", f'{MARK}{{"figures": {{"a'])
def test_a_computer_that_fell_over_has_said_nothing(log: str) -> None:
    assert answer(log) is None


def test_a_target_is_met_or_missed_on_each_core() -> None:
    text = report.section(
        document(
            cortex_a72={"resize/640×480 → 224": 1.5},
            cortex_a76={"resize/640×480 → 224": 1.501},
        )
    )
    assert "| resize 640×480 → 224, Cortex-A72 | 1.500 million | ≤ 1.5 million | met |" in text
    assert (
        "| resize 640×480 → 224, Cortex-A76 | 1.501 million | ≤ 1.5 million | **missed** |" in text
    )
    what = "NV12 640×480 → 224, above the resize of RGB, Cortex-A72"
    assert f"| {what} | not measured | ≤ 1 a pixel |  |" in text


def test_a_core_that_qemu_has_not_is_named() -> None:
    text = report.section(document(cortex_a72={}))
    assert "Not known to this qemu: Cortex-A78AE (Jetson Orin)." in text


def above(millions: float, invoke: float = 100.0) -> dict[str, dict[str, float]]:
    """What one core says of a frame that takes so much above its invoke."""
    figures = {f"{FRAME}/whole": invoke + millions, f"{FRAME}/invoke alone": invoke}
    return {"cortex-a72": figures}


def test_a_frame_may_cost_a_fiftieth_more_above_its_invoke() -> None:
    assert check(above(5.0), above(5.09)) == 0
    assert check(above(5.0), above(5.11)) == 1


def test_the_runtime_s_own_part_is_not_judged() -> None:
    assert check(above(5.0), above(5.0, invoke=200.0)) == 0


def test_nothing_to_compare_with_is_no_success() -> None:
    assert check({}, above(5.0)) == 2
    assert check(above(5.0), {}) == 2


def test_the_section_takes_the_place_of_the_old_one() -> None:
    new = report.section(document(cortex_a72={f"{FRAME}/invoke alone": 11.67}))
    for page in ("# Page\n\n## One\n\n1\n\n", "# Page\n\n## One\n\n1\n\n## Arm\n\nold\n"):
        assert report.put(page, new) == f"# Page\n\n## One\n\n1\n\n{new}"
    between = report.put("# Page\n\n## Arm\n\nold\n## Two\n", new)
    assert between == f"# Page\n\n{new}## Two\n"


def test_the_other_benchmarks_keep_the_section(tmp_path: Path) -> None:
    from benchmarks.report import write

    write(tmp_path, {}, {"one": Part("One")}, 60.0)
    committed = report.section(report.load())
    assert (tmp_path / "benchmarks.md").read_text().endswith(committed)
    assert report.PAGE.read_text().endswith(committed)


def test_committed_counts_are_of_the_boards_cores() -> None:
    cores = report.load()["cores"]
    assert set(cores) <= set(report.CORES)
    assert {"cortex-a53", "cortex-a72", "cortex-a76"} <= set(cores)
