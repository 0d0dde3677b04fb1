"""How the daemon says how it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.health import Vitals, memory_mb, temperature_c, throttled


class StillCamera:
    name = "still"
    dropped = 7
    error = None


def test_stage_times_are_summarised_as_median_and_99th_percentile() -> None:
    vitals = Vitals(started_s=0.0)
    for milliseconds in range(1, 102):
        vitals.record({"invoke": milliseconds / 1e3})
    health = vitals.sample(10.0, StillCamera(), "m", paused=False, idle=True)  # type: ignore[arg-type]
    assert health.stages_ms["invoke"] == pytest.approx((51, 100))
    assert (health.frames, health.dropped, health.idle, health.uptime_s) == (101, 7, True, 10.0)


def test_the_frame_rate_is_over_the_time_since_the_last_sample() -> None:
    vitals = Vitals(started_s=0.0)
    camera = StillCamera()
    for _ in range(30):
        vitals.record({})
    first = vitals.sample(2.0, camera, "m", paused=False, idle=False)  # type: ignore[arg-type]
    for _ in range(10):
        vitals.record({})
    second = vitals.sample(3.0, camera, "m", paused=False, idle=False)  # type: ignore[arg-type]
    assert (first.fps, second.fps) == (15.0, 10.0)


def test_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    assert 5 < memory_mb() < 5000
    assert memory_mb(tmp_path / "absent") == 0


def test_temperature_is_that_of_the_hottest_zone(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    for zone, millidegrees in (("thermal_zone0", "41500\n"), ("thermal_zone1", "63000\n")):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "temp").write_text(millidegrees)
    (tmp_path / "thermal_zone2").mkdir()
    (tmp_path / "thermal_zone2" / "temp").write_text("asleep")
    assert temperature_c(tmp_path) == 63.0


@pytest.mark.parametrize(("word", "now"), [("50000", False), ("50005", True), ("0", False)])
def test_a_pi_is_throttled_by_its_present_bits_only(tmp_path: Path, word: str, now: bool) -> None:
    register = tmp_path / "get_throttled"
    register.write_text(word)
    assert throttled(register) is now
    assert throttled(tmp_path / "absent") is None
