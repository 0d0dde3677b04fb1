"""The whole set of processes under load for long: does any of them leak? ``python -m tests.soak``.

Daemon, guard, camera child and `edged web`; frames as fast as they come, connections that are cut,
questions over the control socket and HTTP, models that are swapped. The exit status is 1 where
memory, descriptors or threads grow.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edged.errors import CommandError
from edged.ports.control.client import ControlClient, DaemonError, RefusedError
from edged.why.port import RING_S
from tests.audience import made_broker
from tests.cameras.isolation.faulty import Switch
from tests.fault_proxy import FaultProxy, presenting
from tests.guard.chip import Levels
from tests.mosquitto import free_port, wait_until
from tests.observed import quick_folder
from tests.pki import certificates
from tests.swaps import good
from tests.test_daemon import Running
from tests.torture.__main__ import _machine
from tests.torture.part import progress

CONFIG = """\
device = "soak"
[camera]
kind = "v4l2"
width_px = 320
height_px = 240
fps = 300.0
[model]
threads = 1
[swap]
shadow_s = 0.1
time_max = 100.0
[[rule]]
name = "cat"
labels = ["cat"]
[idle]
still = false
[gpio]
factory = "gpiod"
[[output]]
name = "lamp"
pin = "LAMP"
rule = "cat"
[[output]]
name = "relay"
pin = "RELAY"
action = "manual"
[mqtt]
host = "127.0.0.1"
port = {port}
retry_min_s = 0.05
retry_max_s = 0.1
health_s = 1.0
classification_hz = 10.0
[mqtt.tls]
enabled = true
ca_file = "{folder}/pki/ca.crt"
[journal]
path = "{folder}/state/events.db"
max_events = 500
[why]
max_events = 100
[control]
socket = "{folder}/edged.sock"
[web]
port = {web}
"""

WARM = 0.5
"""The share of the time before memory is judged: caches and arenas fill first."""

ERRORS = 3.0
"""By so many standard errors a slope must be above 0 to be a leak, and above `SLOPE_MB_H`."""

SLOPE_MB_H = 4.0
SAMPLE_S = 2.0

ABOUT = """\
# Under load for long

Made by `make soak HOURS={hours:g}`. {machine}.

"""


class Sample(NamedTuple):
    """Of one process: memory as PSS, in MB (10^6 bytes).

    ``recent`` are the frames of the last `RING_S`, which the daemon keeps for `edged why`.
    """

    at_s: float
    pss_mb: float
    descriptors: int
    threads: int
    recent: int = 0


class Slope(NamedTuple):
    """Of a straight line through memory over time, and its standard error; MB an hour."""

    slope: float
    error: float

    @property
    def leaks(self) -> bool:
        return self.slope > max(SLOPE_MB_H, ERRORS * self.error)


@dataclass
class Course:
    """What a run did, how often, and the samples of each process."""

    seconds: float
    done: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        self.done[what] = self.done.get(what, 0) + number


def sample(pid: int, recent: int = 0) -> Sample:
    """A process now; OSError where it is gone."""
    place = Path(f"/proc/{pid}")
    memory = dict(line.split(":") for line in (place / "smaps_rollup").read_text().splitlines()[1:])
    return Sample(
        time.monotonic(),
        int(memory["Pss"].split()[0]) * 1024 / 1e6,
        len(os.listdir(place / "fd")),  # noqa: PTH208 (names alone, at once)
        len(os.listdir(place / "task")),  # noqa: PTH208
        recent,
    )


def slope(samples: Sequence[Sample]) -> Slope:
    """By least squares, at an equal number of frames in the daemon's ring of the newest ones.

    The error takes account of how samples resemble those before them.
    """
    at_h = np.array([one.at_s for one in samples]) / 3600.0
    recent = np.array([one.recent for one in samples], float)
    pss_mb = np.array([one.pss_mb for one in samples])
    columns = [at_h - at_h.mean(), np.ones(len(at_h))]
    if recent.std() > 0.0:
        columns.append((recent - recent.mean()) / recent.std())
    known = np.column_stack(columns)
    found, *_ = np.linalg.lstsq(known, pss_mb, rcond=None)
    left = pss_mb - known @ found
    variance = float((left**2).sum()) / max(1, len(left) - len(columns))
    alike = float((left[1:] * left[:-1]).sum() / max(1e-12, float((left**2).sum())))
    alike = min(0.98, max(0.0, alike))
    spread = float(np.linalg.inv(known.T @ known)[0, 0])
    return Slope(float(found[0]), (variance * spread * (1 + alike) / (1 - alike)) ** 0.5)


def grows(values: Sequence[int]) -> bool:
    """Whether the least of the last third is above the most of the third before."""
    third = len(values) // 3
    return third > 0 and min(values[-third:]) > max(values[third : 2 * third])


def soak(folder: Path, seconds: float) -> Course:
    """Everything at once for so long."""
    course = Course(seconds)
    with ExitStack() as stack:
        pki = folder / "pki"
        pki.mkdir()
        certificates(pki)
        broker = made_broker(folder)
        broker.start()
        stack.callback(broker.stop)
        context = presenting(pki, "server")
        proxy = stack.enter_context(FaultProxy(free_port(), broker.port, context))
        Levels(folder / "levels")
        Switch(folder / "fault")
        config, web = folder / "edged.toml", free_port()
        config.write_text(CONFIG.format(folder=folder, port=proxy.port, web=web))
        models = [folder / f"model{number}.tflite" for number in range(2)]
        for model in models:
            good(model)
        files = str(folder / "levels"), str(folder / "fault")
        daemon = Running(config, "tests.cameras.isolation.whole", *files)
        state = {"RUNTIME_DIRECTORY": str(folder), "STATE_DIRECTORY": str(folder / "state")}
        stack.enter_context(_environment(state))
        daemon.start()
        stack.callback(daemon.stop)
        client = ControlClient(folder / "edged.sock", 300.0)
        wait_until(lambda: _frames(client) > 0, 120.0)
        command = [sys.executable, "-m", "edged", "web", "--config", str(config)]
        page = subprocess.Popen(command, stderr=(folder / "web.log").open("w"))
        stack.callback(page.wait)
        stack.callback(page.terminate)
        began_s, first = time.monotonic(), _frames(client)
        ended = threading.Event()
        works: list[tuple[str, float, Callable[[int], object]]] = [
            ("calls of the control socket", 0.0, lambda n: client.ask(CALLS[n % len(CALLS)])),
            ("requests of the page", 0.5, lambda n: _get(web, ("metrics", "readyz")[n % 2])),
            ("broken connections", 0.15, lambda _: proxy.cut()),
            ("swaps", 0.0, lambda n: client.ask("use-file", model=str(models[n % 2]))),
        ]
        threads = [threading.Thread(target=_again, args=(course, ended, *work)) for work in works]
        for thread in threads:
            thread.start()
        connections, counted = 0, deque([(began_s, first)])
        try:
            while (spent_s := time.monotonic() - began_s) < seconds:
                now_s = time.monotonic()
                counted.append((now_s, _frames(client)))
                while counted[0][0] < now_s - RING_S:
                    counted.popleft()
                for name, pid in _processes(daemon.pid, page.pid).items():
                    recent = counted[-1][1] - counted[0][1] if name == "daemon" else 0
                    with suppress(OSError):
                        course.samples.setdefault(name, []).append(sample(pid, recent))
                connections = proxy.connections
                progress(
                    spent_s, seconds, ", ".join(f"{n} {what}" for what, n in course.done.items())
                )
                time.sleep(SAMPLE_S)
        finally:
            ended.set()
            for thread in threads:
                thread.join(300.0)
        course.done["connections to the broker"] = connections
        course.done["frames"] = _frames(client) - first
        log = daemon.log.read_text()
        if "Traceback" in log:
            course.failures.append("the daemon's log has a traceback")
    return course


CALLS = ("status", "metrics", "snapshot", "setup")


def _frames(client: ControlClient) -> int:
    """How many came; 0 while no daemon answers."""
    while True:
        try:
            return int(client.ask("status")[0]["data"]["frames"])
        except RefusedError:
            # Too many ask at once: that is the load.
            time.sleep(0.1)
        except DaemonError:
            return 0


def _get(port: int, path: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30.0) as answer:
        answer.read()


def _again(
    course: Course, ended: threading.Event, what: str, every_s: float, work: Callable[[int], object]
) -> None:
    number = 0
    while not ended.wait(every_s or 0.001):
        try:
            work(number)
            course.count(what)
        except (CommandError, DaemonError, OSError):
            course.count(f"{what}, refused")
            ended.wait(0.1)
        number += 1


def _processes(daemon: int, page: int) -> dict[str, int]:
    found = {"daemon": daemon, "web": page}
    for task in Path(f"/proc/{daemon}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"isolation.faulty" in words:
                    found["camera child"] = int(child)
                elif b"guard" in words:
                    found["guard"] = int(child)
    return found


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def report(course: Course) -> tuple[str, list[str]]:
    """The report's body, and what failed."""
    failures = list(course.failures)
    done = ", ".join(f"{number:,} {what}" for what, number in sorted(course.done.items()))
    lines = [
        f"{course.seconds / 60:.0f} minutes, all at once: {done}. Memory is PSS; its slope is that "
        f"of a straight line after the first {WARM:.0%} of the time, with its error, at an "
        "equal number of frames in the ring that the daemon keeps for `edged why`. A "
        f"slope is a leak above {SLOPE_MB_H:g} MB an hour if that is more than {ERRORS:g} standard "
        "errors.",
        "",
        "![memory over time](soak.svg)",
        "",
        "| process | samples | PSS, MB | at last | slope, MB an hour | descriptors | threads | |",
        "|---|---:|---:|---:|---:|---|---|---|",
    ]
    for name, all_samples in course.samples.items():
        warm_s = all_samples[0].at_s + max(WARM * course.seconds, RING_S)
        samples = [one for one in all_samples if one.at_s >= warm_s]
        if len(samples) < 5:
            failures.append(f"{name}: too few samples")
            continue
        found = slope(samples)
        wrong = ["memory"] if found.leaks else []
        columns = []
        for what in ("descriptors", "threads"):
            values = [getattr(one, what) for one in samples]
            columns.append(f"{min(values)} to {max(values)}")
            wrong += [what] if grows(values) else []
        failures += [f"{name}: {one} grow" for one in wrong]
        lines.append(
            f"| {name} | {len(samples)} | {samples[0].pss_mb:.1f} | {samples[-1].pss_mb:.1f} "
            f"| {found.slope:+.2f} ± {found.error:.2f} | {' | '.join(columns)} "
            f"| {'**grows**' if wrong else 'flat'} |"
        )
    lines += ["", f"{len(failures)} failures." if failures else "No failure."]
    lines += [f"- {failure}" for failure in failures]
    return "\n".join(lines) + "\n", failures


def plot(course: Course) -> str:
    """Memory over time, one line for each process, as an SVG file."""
    width, height, left, below = 640, 300, 50, 30
    colours = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")
    most = max(one.pss_mb for samples in course.samples.values() for one in samples)
    first = min(samples[0].at_s for samples in course.samples.values())
    parts = []
    for (name, samples), colour in zip(course.samples.items(), colours, strict=False):
        points = " ".join(
            f"{left + (one.at_s - first) / course.seconds * (width - left - 10):.1f},"
            f"{height - below - one.pss_mb / most * (height - below - 10):.1f}"
            for one in samples
        )
        y = points.split()[-1].split(",")[1]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{width - 12}" y="{float(y) - 5:.0f}" text-anchor="end" fill="{colour}">'
            f"{name}</text>"
        )
    axis = "".join(
        f'<text x="{left - 6}" y="{height - below - share * (height - below - 10) + 4:.0f}" '
        f'text-anchor="end">{share * most:.0f} MB</text>'
        for share in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f'{axis}<text x="{width / 2:.0f}" y="{height - 8}" text-anchor="middle">'
        f"{course.seconds / 60:.0f} minutes</text>{''.join(parts)}</svg>\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Run all processes under load; look for leaks.")
    parser.add_argument("--hours", type=float, default=0.25)
    parser.add_argument("--out", type=Path, help="write the report here (Markdown), with soak.svg")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with quick_folder() as folder:
        course = soak(folder, 3600.0 * arguments.hours)
    text, failures = report(course)
    print(text)
    if arguments.out is not None:
        about = ABOUT.format(hours=arguments.hours, machine=_machine())
        arguments.out.write_text(about + text)
        arguments.out.with_name("soak.svg").write_text(plot(course))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
