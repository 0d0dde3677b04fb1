"""Metrics and probes: of a running daemon, of one that is ill, and of none."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from edged.config.schema import WebConfig
from edged.health import BOUNDS_S
from edged.ports.control.client import DaemonAbsentError
from edged.web import metrics
from edged.web.access import Access
from tests.device import soon
from tests.test_daemon import Running
from tests.web.serving import serving

MONITORING = Path(__file__).parents[2] / "monitoring"
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
ABSENT = DaemonAbsentError("/run/edged/porch.sock: no daemon answers here")

STATUS: dict[str, Any] = {
    "scene": "cat",
    "rules": {"cat": {"active": True, "score": 0.9, "since": "2026-05-01T12:30:00Z"}},
    "outputs": {"lamp": 1.0},
    "camera": "demo",
    "camera_error": None,
    "camera_failures": 4,
    "pins_error": None,
    "drift": None,
    "model": 'a "quoted" \\ model',
    "frames": 90,
    "still": 70,
    "dropped": 10,
    "paused": False,
    "idle": False,
    "broker_problems": [],
}
HISTOGRAM = {"counts": [2, 3] + [0] * (len(BOUNDS_S) - 2) + [1], "sum_s": 4.0}
TOLD: dict[str, Any] = {
    "version": "0.1.0",
    "uptime_s": 12.5,
    "memory_mb": 64.0,
    "temperature_c": 51.0,
    "throttled": True,
    "events": {"cat": 3, "dog": 1},
    "bounds_s": list(BOUNDS_S),
    "stages": {"invoke": HISTOGRAM},
    "latency": HISTOGRAM,
    "journal": {"last": 7, "waiting": 1, "error": None},
    "mqtt": {
        "connected": True,
        "connections": 2,
        "events_dropped": 3,
        "events_refused": 4,
        "messages_dropped": 5,
    },
    "status": STATUS,
}


class Answers:
    """Stands for the daemon: what it says, or why it says nothing."""

    def __init__(self, told: Any) -> None:
        self._told = told

    async def ask(self, command: str) -> dict[str, Any]:
        if isinstance(self._told, Exception):
            raise self._told
        return {"data": self._told if command == "metrics" else self._told["status"]}


def asking(told: Any) -> Starlette:
    return Starlette(routes=metrics.routes(Answers(told)))  # type: ignore[arg-type]


def asked(told: Any, path: str, headers: dict[str, str] | None = None) -> Any:
    with TestClient(asking(told)) as client:
        return client.get(path, headers=headers or {})


def samples(text: str) -> dict[str, float]:
    """By name and labels, as they are written."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def with_status(**changed: Any) -> dict[str, Any]:
    return {**TOLD, "status": {**STATUS, **changed}}


def test_drift_and_skew_are_there_where_pictures_are_watched() -> None:
    drift = {"score": 1.0, "cause": "view moved", "skew": {"brightness": 0.25}}
    told = samples(asked(with_status(drift=drift), "/metrics").text)
    assert told["edged_drift_ratio"] == 1
    assert told['edged_drift_active{cause="view moved"}'] == 1
    assert told['edged_drift_active{cause="night"}'] == 0
    assert told['edged_skew_ratio{statistic="brightness"}'] == 0.25
    assert not [name for name in samples(asked(TOLD, "/metrics").text) if "drift" in name]


def test_what_the_daemon_says_becomes_samples() -> None:
    told = samples(asked(TOLD, "/metrics").text)
    assert told["edged_up"] == 1
    assert told["edged_frames_total"] == 100
    assert told["edged_frames_classified_total"] == 20
    assert told["edged_frames_still_total"] == 70
    assert told["edged_frames_dropped_total"] == 10
    assert told["edged_camera_failures_total"] == 4
    assert told['edged_events_total{rule="cat"}'] == 3
    assert told['edged_events_total{rule="dog"}'] == 1
    assert told['edged_rule_active{rule="cat"}'] == 1
    assert told['edged_output_ratio{output="lamp"}'] == 1
    assert told["edged_temperature_celsius"] == 51
    assert told["edged_throttled"] == 1
    assert told["edged_mqtt_connections_total"] == 2
    assert told["edged_mqtt_events_refused_total"] == 4
    assert told['edged_stage_duration_seconds_bucket{le="0.0005",stage="invoke"}'] == 2
    assert told['edged_stage_duration_seconds_bucket{le="0.001",stage="invoke"}'] == 5
    assert told['edged_decision_latency_seconds_bucket{le="2.5"}'] == 5
    assert told['edged_decision_latency_seconds_bucket{le="+Inf"}'] == 6
    assert told["edged_decision_latency_seconds_count"] == 6
    assert told["edged_decision_latency_seconds_sum"] == 4


def test_openmetrics_is_what_who_asks_for_it_gets() -> None:
    answer = asked(TOLD, "/metrics", OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    found = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"edged_up", "edged_frames", "edged_build", "edged_stage_duration_seconds"} <= found


def test_what_a_board_does_not_tell_is_left_out() -> None:
    told = samples(
        asked({**TOLD, "temperature_c": None, "throttled": None, "mqtt": None}, "/metrics").text
    )
    assert not {"edged_temperature_celsius", "edged_throttled", "edged_mqtt_up"} & set(told)


def test_without_a_daemon_that_is_a_metric() -> None:
    answer = asked(ABSENT, "/metrics")
    assert answer.status_code == 200
    assert samples(answer.text)["edged_up"] == 0
    assert "edged_frames_total" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_without_a_daemon_nothing_is_well(path: str) -> None:
    answer = asked(ABSENT, path)
    assert (answer.status_code, answer.text) == (503, f"{ABSENT}\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_stranger_hears_that_it_is_not_well_and_not_why(path: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    app = Access(asking(ABSENT), WebConfig(token_file=str(token)))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (503, f"{metrics.UNTOLD}\n")
        known = client.get(path, headers={"authorization": "Bearer 0123456789abcdef"})
        assert (known.status_code, known.text) == (503, f"{ABSENT}\n")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, None),
        ({"frames": 0}, "camera: no frame yet"),
        ({"frames": 0, "paused": True}, None),
        ({"frames": 0, "idle": True}, None),
        ({"paused": True}, None),
        ({"camera_error": "unplugged"}, "camera: unplugged"),
        ({"camera_error": "unplugged", "paused": True}, "camera: unplugged"),
        ({"pins_error": "pin 17 is busy"}, "pins: pin 17 is busy"),
    ],
)
def test_ready_is_who_decides_on_what_the_camera_sees(
    status: dict[str, Any], reason: str | None
) -> None:
    answer = asked(with_status(**status), "/readyz")
    assert (answer.status_code, answer.text) == (
        (200, "ok\n") if reason is None else (503, f"{reason}\n")
    )
    assert asked(with_status(**status), "/healthz").status_code == 200


def test_every_metric_of_the_alerts_and_the_dashboard_exists() -> None:
    known = samples(asked(TOLD, "/metrics").text)
    names = {name.partition("{")[0] for name in known} | {"up"}
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in expressions:
        used = set(re.findall(r"\b(edged_\w+|up)\b", expression))
        assert used, expression
        assert used <= names, expression
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not there: apt install prometheus")
    return found


def test_prometheus_takes_the_alerts(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", MONITORING / "alerts.yml"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("told", [TOLD, ABSENT], ids=["daemon", "no daemon"])
def test_promtool_finds_nothing_to_lint(promtool: str, told: Any) -> None:
    text = asked(told, "/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr + done.stdout) == (0, "")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device")
    path = folder / "device.toml"
    path.write_text(
        f"""
device = "web"
[camera]
kind = "directory"
source = {str(Path(__file__).parents[1] / "pictures")!r}
fps = 50
[[rule]]
name = "cat"
labels = ["cat"]
smoothing_s = 0.0
[gpio]
factory = "none"
[mqtt]
enabled = false
[control]
socket = {str(folder / "control.sock")!r}
[journal]
max_events = 0
"""
    )
    return path


def test_a_running_daemon_is_counted_until_it_ends(configured: Path, tmp_path: Path) -> None:
    without = "--set=web.pictures=false"
    with serving(tmp_path, "web", f"--config={configured}", without) as process:

        def get(path: str) -> tuple[int, str]:
            connection = http.client.HTTPConnection(process.address, timeout=30)
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            return answer.status, text

        assert get("/healthz")[0] == 503
        daemon = Running(configured)
        daemon.start()
        try:
            soon(lambda: get("/readyz"), (200, "ok\n"))
            soon(lambda: samples(get("/metrics")[1])["edged_frames_classified_total"] > 10, True)
            told = samples(get("/metrics")[1])
            count = told["edged_frames_classified_total"]
            decided = told["edged_decision_latency_seconds_count"]
            assert decided == count + told["edged_frames_still_total"]
            assert told['edged_events_total{rule="cat"}'] >= 1
            assert told['edged_stage_duration_seconds_count{stage="invoke"}'] == count
            assert 0 < told["edged_decision_latency_seconds_sum"] < 60
        finally:
            assert daemon.stop() == 0
        assert get("/readyz")[0] == 503
        assert samples(get("/metrics")[1])["edged_up"] == 0
        # It predicts and shows nothing: no numpy, no interpreter.
        assert "numpy" not in Path(f"/proc/{process.process.pid}/maps").read_text()
