"""``/metrics``, ``/healthz`` and ``/readyz``: the daemon's state, requested at each scrape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Any, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edged import __version__
from edged.core import Cause
from edged.errors import EdgedError
from edged.web.access import STRANGER
from edged.web.daemon import Daemon
from edged.web.resource import Resource

ANSWER_S = 5.0
"""A daemon that takes longer is reported as not answering; Prometheus waits 10 s in total."""


UNTOLD = "unhealthy; send the token to see the reason"


def routes(daemon: Daemon) -> list[Route]:
    """The routes for monitoring."""

    async def asked(command: str) -> dict[str, Any]:
        """The daemon's answer; EdgedError."""
        try:
            reply = await asyncio.wait_for(daemon.ask(command), ANSWER_S)
        except asyncio.TimeoutError:
            raise EdgedError(f"the daemon does not answer within {ANSWER_S:g} s") from None
        data: dict[str, Any] = reply["data"]
        return data

    async def metrics(request: Request) -> Response:
        told: dict[str, Any] | None = None
        # A missing answer is a metric, too.
        with suppress(EdgedError):
            told = await asked("metrics")
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        registry = CollectorRegistry()
        registry.register(Collector(told))
        ProcessCollector(namespace="edged_web", registry=registry)
        return Response(encode(registry), headers={"content-type": kind})

    def probe(wrong: Callable[[Mapping[str, Any]], str | None]) -> Resource:
        async def answer(request: Request) -> Response:
            try:
                reason = wrong(await asked("status"))
            except EdgedError as error:
                reason = str(error)
            if reason is None:
                return PlainTextResponse("ok\n")
            return not_well(503, UNTOLD if request.scope.get(STRANGER) else reason)

        return Resource(not_well, GET=answer)

    return [
        Route("/metrics", Resource(not_well, GET=metrics)),
        Route("/healthz", probe(lambda _: None)),
        Route("/readyz", probe(unready)),
    ]


def not_well(status: int, reason: str) -> Response:
    """Probes read the status, people read the line."""
    return PlainTextResponse(f"{reason}\n", status)


def unready(status: Mapping[str, Any]) -> str | None:
    """Why edged does not decide on frames, from the daemon's status.

    None if it does, and if it drops frames intentionally: while it is paused or idle.
    """
    if status["camera_error"] is not None:
        return f"camera: {status['camera_error']}"
    if not (status["frames"] or status["paused"] or status["idle"]):
        return "camera: no frame yet"
    if status["pins_error"] is not None:
        return f"pins: {status['pins_error']}"
    return None


class Collector:
    """Turns the daemon's answer into metrics; `told` is None if it does not answer."""

    def __init__(self, told: Mapping[str, Any] | None) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        """Every metric family, called by prometheus_client."""
        yield _info("edged_web_build", "The web process.", version=__version__)
        yield _gauge("edged_up", "Whether the daemon answers.", self._told is not None)
        if self._told is not None:
            yield from _device(self._told)
            yield from _frames(self._told)
            yield from _decisions(self._told)
            yield from _messages(self._told)


def _device(told: Mapping[str, Any]) -> Iterator[Metric]:
    status = told["status"]
    yield _info("edged_build", "The daemon.", version=told["version"])
    yield _info("edged_model", "The active model.", name=status["model"])
    yield _gauge("edged_uptime_seconds", "Time since the daemon started.", told["uptime_s"])
    memory_bytes = told["memory_mb"] * 1e6
    yield _gauge("edged_resident_memory_bytes", "Resident memory of the daemon.", memory_bytes)
    if told["temperature_c"] is not None:
        yield _gauge(
            "edged_temperature_celsius", "The hottest part of the board.", told["temperature_c"]
        )
    if told["throttled"] is not None:
        yield _gauge(
            "edged_throttled", "Whether heat or low voltage slows the board.", told["throttled"]
        )
    well = status["pins_error"] is None
    yield _gauge("edged_pins_up", "Whether every output and input works.", well)


def _frames(told: Mapping[str, Any]) -> Iterator[Metric]:
    status = told["status"]
    well = status["camera_error"] is None
    yield _gauge("edged_camera_up", "Whether the camera delivers good frames.", well)
    yield _counter(
        "edged_camera_failures",
        "How often the camera has failed.",
        status.get("camera_failures", 0),
    )
    yield _gauge("edged_paused", "Whether the daemon is paused.", status["paused"])
    yield _gauge("edged_idle", "Whether the daemon is idle.", status["idle"])
    yield _counter("edged_frames", "Frames received.", status["frames"] + status["dropped"])
    classified = status["frames"] - status["still"]
    yield _counter("edged_frames_classified", "Frames classified.", classified)
    yield _counter("edged_frames_still", "Frames that showed nothing new.", status["still"])
    yield _counter("edged_frames_dropped", "Frames received but not used.", status["dropped"])
    if (drift := status["drift"]) is not None:
        yield from _drift(drift)
    bounds_s = told["bounds_s"]
    stages = HistogramMetricFamily(
        "edged_stage_duration_seconds", "Duration of a stage of a frame.", labels=["stage"]
    )
    for stage, histogram in told["stages"].items():
        stages.add_metric([stage], _buckets(bounds_s, histogram), histogram["sum_s"])
    yield stages
    latency = HistogramMetricFamily(
        "edged_decision_latency_seconds", "Time from the capture of a frame to its decision."
    )
    latency.add_metric([], _buckets(bounds_s, told["latency"]), told["latency"]["sum_s"])
    yield latency


def _drift(drift: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("edged_drift_ratio", "How far pictures are from the usual.", drift["score"])
    causes = GaugeMetricFamily(
        "edged_drift_active", "Whether this is why pictures are not as usual.", labels=["cause"]
    )
    for cause in get_args(Cause):
        causes.add_metric([cause], cause == drift["cause"])
    skew = GaugeMetricFamily(
        "edged_skew_ratio",
        "Share of frames outside of 98 % of the model's training pictures.",
        labels=["statistic"],
    )
    for statistic, share in drift["skew"].items():
        skew.add_metric([statistic], share)
    yield from (causes, skew)


def _decisions(told: Mapping[str, Any]) -> Iterator[Metric]:
    status = told["status"]
    events = CounterMetricFamily("edged_events", "Changes of a rule.", labels=["rule"])
    active = GaugeMetricFamily("edged_rule_active", "Whether a rule is active.", labels=["rule"])
    score = GaugeMetricFamily("edged_rule_score_ratio", "Smoothed score, 0 to 1.", labels=["rule"])
    for rule, state in status["rules"].items():
        events.add_metric([rule], told["events"].get(rule, 0))
        active.add_metric([rule], state["active"])
        score.add_metric([rule], state["score"])
    for rule, count in told["events"].items():
        # A rule removed by a reload, or every rule before the first frame.
        if rule not in status["rules"]:
            events.add_metric([rule], count)
    yield from (events, active, score)
    outputs = GaugeMetricFamily("edged_output_ratio", "Value of an output.", labels=["output"])
    for output, value in status["outputs"].items():
        outputs.add_metric([output], value)
    yield outputs
    journal = told["journal"]
    well = journal["error"] is None
    yield _gauge("edged_journal_up", "Whether events are stored on disk.", well)
    yield _gauge("edged_journal_waiting_events", "Events not on disk yet.", journal["waiting"])
    yield _gauge("edged_journal_last_event", "Number of the newest event.", journal["last"])


def _messages(told: Mapping[str, Any]) -> Iterator[Metric]:
    mqtt = told["mqtt"]
    if mqtt is None:
        return
    yield _gauge("edged_mqtt_up", "Whether the broker is connected.", mqtt["connected"])
    yield _counter("edged_mqtt_connections", "Connections to the broker.", mqtt["connections"])
    yield _counter(
        "edged_mqtt_events_dropped",
        "Events lost to the limits of the journal before the broker received them.",
        mqtt["events_dropped"],
    )
    yield _counter(
        "edged_mqtt_events_refused", "Events that the broker refused.", mqtt["events_refused"]
    )
    yield _counter(
        "edged_mqtt_messages_dropped",
        "Other messages skipped: the network is too slow, or they are too large.",
        mqtt["messages_dropped"],
    )
    problems = told["status"]["broker_problems"]
    yield _gauge("edged_mqtt_problems", "What the broker refuses or lacks.", len(problems))


def _info(name: str, text: str, /, **labels: str) -> Metric:
    family = InfoMetricFamily(name, text)
    family.add_metric([], labels)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _buckets(bounds_s: list[float], histogram: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Cumulative, as in OpenMetrics."""
    bounds = [*map(str, bounds_s), "+Inf"]
    return list(zip(bounds, accumulate(histogram["counts"]), strict=True))
