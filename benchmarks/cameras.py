"""One to four cameras: an instance of edged for each, or all of them in one process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks import configuration
from benchmarks.process import Child, Daemon
from benchmarks.results import Part, Plot, Row, Times
from edged.trace import LIGHT

MOST = 4
FPS = 10.0
SETTLING_S = 2.0
MEASURED_S = 5.0

APART_HZ = 1.0 / MEASURED_S
"""How much the frame rates differ: within the measured time two cameras' frames then come at every
distance from each other, whenever the two were started. Else chance would decide the latency."""


class Cost(NamedTuple):
    """Of all cameras together; ``latency`` is from a frame's capture to its decision."""

    pss_mb: float
    cpu_percent: float
    latency: Times


def measure(folder: Path, port: int) -> Part:
    """Both ways in turns, in fresh processes for each number of cameras."""
    part = Part("Cameras")
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for count in range(1, MOST + 1):
        for way, started in WAYS.items():
            here = folder / f"{way}{count}"
            here.mkdir()
            costs[way].append(_cost(started, here, _texts(folder, port, count)))
    _draw(part, costs)
    _compare(part, costs)
    return part


def _instances(folder: Path, texts: Sequence[str], stack: ExitStack) -> list[Child]:
    running: list[Child] = []
    for number, text in enumerate(texts):
        trace = folder / f"camera{number}.trace"
        one = Daemon(folder, f"camera{number}", text, ["--trace", str(trace)])
        stack.callback(one.stop)
        running.append(one)
    return running


def _one_process(folder: Path, texts: Sequence[str], stack: ExitStack) -> list[Child]:
    paths = [configuration.write(folder, f"camera{n}", text) for n, text in enumerate(texts)]
    command = [sys.executable, "-m", "benchmarks.shared_process", *map(str, paths)]
    one = Child(command, folder / "notify", len(paths))
    stack.callback(one.stop)
    return [one]


WAYS: dict[str, Callable[[Path, Sequence[str], ExitStack], list[Child]]] = {
    "instances": _instances,
    "one process": _one_process,
}


def _texts(folder: Path, port: int, count: int) -> list[str]:
    return [
        configuration.sensor(folder, port, fps=FPS + number * APART_HZ, pin=17 + number)
        for number in range(count)
    ]


def _cost(
    started: Callable[[Path, Sequence[str], ExitStack], list[Child]],
    folder: Path,
    texts: Sequence[str],
) -> Cost:
    with ExitStack() as stack:
        running = started(folder, texts, stack)
        time.sleep(SETTLING_S)
        began_s, before_s = time.monotonic(), [one.cpu_s() for one in running]
        time.sleep(MEASURED_S)
        ended_s, after_s = time.monotonic(), [one.cpu_s() for one in running]
        pss_mb = sum(one.memory()[1] for one in running)
    return Cost(
        pss_mb,
        (sum(after_s) - sum(before_s)) / (ended_s - began_s) * 100,
        Times(tuple(_ages_ms(folder, began_s, ended_s))),
    )


def _ages_ms(folder: Path, began_s: float, ended_s: float) -> list[float]:
    """Capture to decision of every frame in that time, from the traces in `folder`."""
    return [
        span["dur"] / 1e3
        for path in folder.glob("*.trace")
        for span in json.loads(path.read_text())["traceEvents"]
        if span["ph"] == "X" and span["tid"] == LIGHT and began_s <= span["ts"] / 1e6 < ended_s
    ]


def _draw(part: Part, costs: dict[str, list[Cost]]) -> None:
    def curve(way: str, of: Callable[[Cost], float]) -> list[tuple[float, float]]:
        return [(float(count), of(cost)) for count, cost in enumerate(costs[way], 1)]

    memory = {way: curve(way, lambda cost: cost.pss_mb) for way in costs}
    cpu = {way: curve(way, lambda cost: cost.cpu_percent) for way in costs}
    latency = {
        f"{way}, {name}": curve(way, of)
        for way in costs
        for name, of in {
            "p50": lambda cost: cost.latency.p50,
            "p99": lambda cost: cost.latency.p99,
        }.items()
    }
    part.plots += [
        Plot("cameras-memory", "Memory of all cameras (PSS)", "cameras", "MB", memory),
        Plot(
            "cameras-cpu",
            f"CPU of all, {FPS:g} frames a second each",
            "cameras",
            "% of a core",
            cpu,
        ),
        Plot("cameras-latency", "Capture to decision", "cameras", "ms", latency),
    ]


def _compare(part: Part, costs: dict[str, list[Cost]]) -> None:
    (alone, *_, apart), (alone_too, *_, together) = costs["instances"], costs["one process"]
    further_mb = (apart.pss_mb - alone.pss_mb) / (MOST - 1)
    further_together_mb = (together.pss_mb - alone_too.pss_mb) / (MOST - 1)
    part.rows += [
        _row(
            "memory of each further camera (PSS)",
            f"{further_mb:.0f} MB",
            f"{further_together_mb:.0f} MB",
        ),
        _row(
            f"memory of {MOST} cameras (PSS)",
            f"{apart.pss_mb:.0f} MB",
            f"{together.pss_mb:.0f} MB",
        ),
        _row(
            f"CPU of {MOST} cameras, {FPS:g} frames a second each",
            f"{apart.cpu_percent:.1f} % of a core",
            f"{together.cpu_percent:.1f} %",
        ),
        _row(
            f"capture → decision with {MOST} cameras, p50/p90/p99",
            f"{apart.latency} ms",
            f"{together.latency} ms",
        ),
    ]
    part.figures.update(
        instances_further_camera_mb=further_mb,
        one_process_further_camera_mb=further_together_mb,
        one_process_over_instances_cpu=together.cpu_percent / apart.cpu_percent,
        one_process_over_instances_latency_p50=together.latency.p50 / apart.latency.p50,
        one_process_over_instances_latency_p99=together.latency.p99 / apart.latency.p99,
    )
    part.notes += [
        "Instances are `edged run`, one for each camera. In one process each camera is the same "
        "daemon in a thread, with an interpreter, rules, capture thread, MQTT connection, journal, "
        "control socket and output of its own; Python with its lock and its garbage collection, "
        "the libraries, the log and the signals are there once. A camera is one still JPEG at "
        f"{FPS:g} frames a second, each further one {APART_HZ:g} more, so that within the "
        f"{MEASURED_S:g} s the frames of two come at every distance from each other. Latency is "
        "every frame's, from the daemon's own trace.",
        "With one camera both ways are the same work: there one process measured "
        f"{_times(alone_too, alone)} the instance, and that much is chance. With {MOST}, one "
        f"process takes {apart.pss_mb - together.pss_mb:.0f} MB less "
        f"({100 * (1 - together.pss_mb / apart.pss_mb):.0f} %) and measured "
        f"{_times(together, apart)} the instances. For that memory an instance keeps to itself: a "
        "crash, a hang that the watchdog ends, a leak and a restart stop one camera and not all.",
    ]


def _times(one: Cost, other: Cost) -> str:
    return (
        f"{one.cpu_percent / other.cpu_percent:.2f}× the CPU, "
        f"{one.latency.p50 / other.latency.p50:.2f}× the p50 and "
        f"{one.latency.p99 / other.latency.p99:.2f}× the p99 of"
    )


def _row(what: str, apart: str, together: str) -> Row:
    return Row(what, f"{apart} as instances, {together} in one process")
