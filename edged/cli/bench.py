"""``edged bench``: each stage of a frame, compared with the bare invoke as the floor."""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edged import __version__, build
from edged.cli.model import configured
from edged.config.schema import Config
from edged.core import Pixels
from edged.errors import ConfigError
from edged.evaluation import text
from edged.evaluation.document import percentiles_ms
from edged.health import temperature_c, throttled
from edged.messages.machine import BenchMessage
from edged.perception.rules import Decider


def run(arguments: argparse.Namespace) -> int:
    """Alternates a bare invoke and a whole frame, so that both see the same machine."""
    config = _config(arguments)
    classifier = build.classifier(config)
    decider = Decider(config.rule, config.decide, classifier.labels)
    frame = _picture(*arguments.size)
    floor_s: list[float] = []
    whole_s: list[float] = []
    stages_s: dict[str, list[float]] = {}
    for number in range(arguments.warmup + arguments.runs):
        began_s = time.perf_counter()
        classifier.invoke()
        invoked_s = time.perf_counter()
        prediction = classifier.classify(frame)
        classified_s = time.perf_counter()
        decider.decide(prediction.scores, classified_s, number)
        decided_s = time.perf_counter()
        if number < arguments.warmup:
            continue
        floor_s.append(invoked_s - began_s)
        whole_s.append(decided_s - invoked_s)
        stages = {**prediction.stages_s, "decide": decided_s - classified_s}
        for stage, duration_s in stages.items():
            stages_s.setdefault(stage, []).append(duration_s)
    report = BenchMessage(
        version=__version__,
        python=platform.python_version(),
        governor=_governor(),
        temperature_c=temperature_c(),
        throttled=throttled(),
        model=classifier.name,
        runtime=classifier.runtime,
        machine=machine_name(),
        threads=classifier.threads,
        delegated=classifier.delegated,
        frame="{}x{}".format(*arguments.size),
        runs=arguments.runs,
        floor_ms=percentiles_ms(floor_s),
        frame_ms=percentiles_ms(whole_s),
        stages_ms={stage: percentiles_ms(times) for stage, times in stages_s.items()},
        ratio_p50=round(float(np.median(whole_s) / np.median(floor_s)), 4),
    )
    if arguments.report:
        print(f"Send the following in an issue at {ISSUES}:\n")
        print("\n".join(text.table(_HEADER, [_row(report)])), end="\n\n")
    if arguments.json or arguments.report:
        print(report.json().decode())
    else:
        _print(report)
    return 0


ISSUES = "https://github.com/edged/edged/issues"
_HEADER = ("machine", "model", "model alone", "frame", "versions")


def _row(report: BenchMessage) -> tuple[str, ...]:
    """A row for the table of boards in docs/benchmarks.md."""
    return (
        f"{report.machine}, {_threads(report)}",
        report.model,
        f"{report.floor_ms.p50:.2f} ms",
        f"{report.frame_ms.p50:.2f} ms ({report.ratio_p50:.3f}×)",
        f"edged {report.version}, {report.runtime}, Python {report.python}",
    )


def _config(arguments: argparse.Namespace) -> Config:
    if arguments.model and arguments.labels is None:
        # Another model has labels other than the configuration's.
        arguments.labels = ""
    config = configured(arguments, arguments.model)
    return replace(config, rule=[]) if arguments.model or arguments.labels else config


def _picture(width_px: int, height_px: int) -> Pixels:
    """A picture with structure at every scale: a fixed sum of gratings and seeded noise."""
    if width_px * height_px > 64_000_000:
        raise ConfigError(f"--size {width_px}x{height_px}: larger than 64 megapixels")
    y, x = np.mgrid[0:height_px, 0:width_px]
    grating = 96 + 64 * np.sin(x / 17) * np.cos(y / 23)
    noise = np.random.default_rng(0).normal(0, 16, (height_px, width_px, 3))
    picture: Pixels = np.clip(grating[..., None] + noise, 0, 255).astype(np.uint8)
    return picture


def machine_name() -> str:
    """The processor's name, and how many of its cores this process may use."""
    name = platform.machine()
    for source, key in (("/proc/device-tree/model", ""), ("/proc/cpuinfo", "model name")):
        try:
            text = Path(source).read_text(errors="replace")
        except OSError:
            continue
        lines = [line.partition(":")[2] for line in text.splitlines() if line.startswith(key)]
        found = text if not key else (lines[0] if lines else "")
        if found.strip(" \0\n"):
            name = found.strip(" \0\n")
            break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def _governor() -> str | None:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return None


def _threads(report: BenchMessage) -> str:
    return f"{report.threads} thread{'' if report.threads == 1 else 's'}"


def _print(report: BenchMessage) -> None:
    print(f"{report.model}, {report.runtime}, {_threads(report)}; frame {report.frame}")
    print(f"{report.machine}; {report.runs} runs")
    print()
    print(f"{'stage':10} {'p50 ms':>9} {'p99 ms':>9}")
    rows = {**report.stages_ms, "frame": report.frame_ms, "floor": report.floor_ms}
    for stage, times in rows.items():
        print(f"{stage:10} {times.p50:9.3f} {times.p99:9.3f}")
    print()
    print("frame is all stages; floor is the model alone, by the bare interpreter.")
    above_ms = report.frame_ms.p50 - report.floor_ms.p50
    print(f"edged adds {above_ms:.3f} ms to the model's {report.floor_ms.p50:.3f} ms (medians).")
    print(f"This machine classifies up to {1e3 / report.frame_ms.p50:.0f} frames a second,")
    print("without the time that the camera's format takes to decode.")
