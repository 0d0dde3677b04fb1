"""How the daemon says how it is."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from edged.attention import Attention
from edged.core import UNDECIDED, Health, Result
from edged.errors import CameraError
from edged.health import BOUNDS_S, SAMPLES, StageTimes, Vitals, memory_mb, temperature_c, throttled
from edged.messages.message import Moment
from edged.messages.replies import JournalMetrics, StatusAnswer
from tests.ports.mqtt.reports import result
from tests.test_pipeline import perception


class StillCamera:
    name = "still"
    dropped = 7
    failures = 5
    last_error = "/dev/video0: no frame for 5 s"
    error = None
    fault = None


def taking(stages_s: Mapping[str, float], captured_s: float = 0.0, decided_s: float = 0.0) -> Any:
    made = result(captured_s=captured_s)
    return Result(made.frame, made.prediction, made.scene, (), stages_s, decided_s)


def sample(vitals: Vitals, at_s: float) -> Health:
    return vitals.sample(at_s, StillCamera(), perception(), Attention())  # type: ignore[arg-type]


def test_stage_times_are_summarised_as_median_and_99th_percentile() -> None:
    vitals = Vitals(started_s=0.0)
    for milliseconds in range(1, 102):
        vitals.record(taking({"invoke": milliseconds / 1e3}, captured_s=1.0, decided_s=1.25))
    health = sample(vitals, 10.0)
    assert health.stages_ms["invoke"] == pytest.approx((51, 100))
    assert health.stages_ms["latency"] == pytest.approx((250, 250))
    assert (health.frames, health.dropped, health.uptime_s) == (101, 7, 10.0)
    assert health.camera_failures == 5
    assert health.camera_last_error == "/dev/video0: no frame for 5 s"


def test_stage_times_are_those_since_the_last_sample() -> None:
    vitals = Vitals(started_s=0.0)
    vitals.record(taking({"invoke": 0.5}))
    assert sample(vitals, 1.0).stages_ms["invoke"] == (500, 500)
    vitals.record(taking({"resize": 0.25}))
    assert set(sample(vitals, 2.0).stages_ms) == {"resize", "latency"}


def test_durations_are_counted_by_bound_and_never_begin_anew() -> None:
    vitals = Vitals(started_s=2.0)
    bounded = [*BOUNDS_S, 60.0]
    for duration_s in bounded:
        vitals.record(taking({"invoke": duration_s}, captured_s=1.0, decided_s=1.0 + duration_s))
        sample(vitals, 10.0)
    status = vitals.status(
        Moment("porch", 10.0, 1.7e9), StillCamera(), perception(), Attention(), {}
    )  # type: ignore[arg-type]
    journal = JournalMetrics(last=3, waiting=1)
    told = vitals.metrics(12.0, status, {"cat": 3}, journal, None)
    assert (told.uptime_s, told.events, told.journal, told.mqtt) == (
        10.0,
        {"cat": 3},
        journal,
        None,
    )
    assert told.bounds_s == list(BOUNDS_S)
    assert told.stages["invoke"].counts == [1] * len(bounded)
    assert told.stages["invoke"].sum_s == pytest.approx(sum(bounded))
    assert sum(told.latency.counts) == told.status.frames == len(bounded)
    assert told.latency.sum_s == pytest.approx(sum(bounded))


@pytest.mark.parametrize("frames", [SAMPLES, SAMPLES + 1, 10 * SAMPLES + 3])
def test_stage_times_of_a_long_interval_are_spread_over_all_of_it(frames: int) -> None:
    times = StageTimes()
    for frame in range(frames):
        times.add({"invoke": frame / frames})
    (p50_ms, p99_ms) = times.summary_ms()["invoke"]
    assert p50_ms == pytest.approx(500, abs=10)
    assert p99_ms == pytest.approx(990, abs=10)
    assert len(times._kept) <= SAMPLES


def test_the_frame_rate_is_over_the_time_since_the_last_sample() -> None:
    vitals = Vitals(started_s=0.0)
    for _ in range(30):
        vitals.record(taking({}))
    first = sample(vitals, 2.0)
    for _ in range(10):
        vitals.record(taking({}))
    second = sample(vitals, 3.0)
    assert (first.fps, second.fps) == (15.0, 10.0)


def test_a_sample_is_due_at_each_interval_and_never_where_there_is_none() -> None:
    vitals = Vitals(started_s=0.0, health_s=2.0)
    assert (vitals.due(1.9), vitals.due(2.0)) == (False, True)
    sample(vitals, 2.5)
    assert (vitals.due(4.4), vitals.due(4.5)) == (False, True)
    vitals.health_s = 0.0
    assert not vitals.due(1e9)
    assert not Vitals(started_s=0.0).due(1e9)


def test_a_sample_at_once_has_no_rate() -> None:
    vitals = Vitals(started_s=3.0)
    vitals.record(taking({}))
    assert sample(vitals, 3.0).fps == 0.0
    assert sample(vitals, 10.0).uptime_s == 7.0


def test_the_status_tells_scene_rules_camera_and_model() -> None:
    vitals = Vitals(started_s=0.0)
    vitals.record(taking({}))
    seeing = perception()
    at = Moment("porch", 5.0, 1e9)
    camera: Any = StillCamera()
    status = vitals.status(at, camera, seeing, Attention(), {"lamp": 1.0})
    assert (status.scene, status.rules) == (UNDECIDED.name, {})
    assert status.outputs == {"lamp": 1.0}
    assert (status.camera, status.model, status.frames) == ("still", "brightness", 1)
    seeing.scene = result(captured_s=4.0).scene
    status = vitals.status(at, camera, seeing, Attention(), {"lamp": 1.0})
    assert (status.scene, status.rules["cat"].active) == ("cat", True)
    assert status.rules["cat"].since.timestamp() == pytest.approx(1e9 + 3.8)


def test_the_status_tells_what_is_seen_and_how_fast() -> None:
    vitals = Vitals(started_s=0.0)
    camera: Any = StillCamera()
    for number in range(100):
        vitals.record(taking({}, decided_s=number / 10))

    def status(now_s: float) -> StatusAnswer:
        at = Moment("porch", now_s, 1e9)
        return vitals.status(at, camera, perception(), Attention(), {}, (), "b:1883 away", 7)

    told = status(10.0)
    assert (told.fps, told.uptime_s, told.broker, told.last_event) == (10.0, 10.0, "b:1883 away", 7)
    assert told.results[0].label == "tabby"
    assert status(60.0).fps == 0.0
    camera.error = "gone"
    assert status(10.0).results == ()


def test_frames_that_were_not_classified_are_counted_apart() -> None:
    vitals = Vitals(started_s=0.0)
    seen = taking({})
    vitals.record(seen)
    vitals.record(replace(seen, prediction=replace(seen.prediction, still=True)))
    at, camera = Moment("porch", 5.0, 1e9), cast("Any", StillCamera())
    status = vitals.status(at, camera, perception(), Attention(), {})
    health = sample(vitals, 5.0)
    assert (status.frames, status.still, health.frames, health.still) == (2, 1, 2, 1)


def test_what_is_wrong_is_told_without_secrets() -> None:
    class BrokenCamera(StillCamera):
        error = str(CameraError("rtsp://ann:hush@porch/live: unplugged"))

    vitals = Vitals(started_s=0.0, pins_error=lambda: "pin 17 is busy")
    camera: Any = BrokenCamera()
    at = Moment("porch", 5.0, 1e9)
    status = vitals.status(at, camera, perception(), Attention(), {}, ["no retained messages"])
    health = vitals.sample(5.0, camera, perception(), Attention())
    for told in (status, health):
        assert told.camera_error is not None
        assert told.camera_error.endswith("porch/live: unplugged")
        assert "hush" not in told.camera_error
        assert told.pins_error == "pin 17 is busy"
    assert list(status.broker_problems) == ["no retained messages"]


def test_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    assert 5 < memory_mb() < 5000
    assert memory_mb(tmp_path / "absent") == 0
    (tmp_path / "statm").write_text("9000 1000 300 1 0 2000 0\n")
    assert memory_mb(tmp_path / "statm") == 1000 * resource.getpagesize() / 1e6


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
