"""``edged bench``: each stage of a frame, beside the bare invoke as the floor."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edged import __version__, build
from edged.config.load import load
from edged.config.schema import Config, ModelConfig
from edged.core import Pixels
from edged.errors import ConfigError
from edged.health import temperature_c, throttled
from edged.perception.rules import Decider


def run(arguments: argparse.Namespace) -> int:
    """Alternates a bare invoke and a whole frame, so that both see the same machine."""
    config = _config(arguments)
    classifier = build.classifier(config)
    decider = Decider(config.rule, config.decide, classifier.labels)
    frame = _picture(*arguments.size)
    floor_ms: list[float] = []
    whole_ms: list[float] = []
    stages_ms: dict[str, list[float]] = {}
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
        floor_ms.append((invoked_s - began_s) * 1e3)
        whole_ms.append((decided_s - invoked_s) * 1e3)
        stages = {**prediction.stages_s, "decide": decided_s - classified_s}
        for stage, duration_s in stages.items():
            stages_ms.setdefault(stage, []).append(duration_s * 1e3)
    report: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "governor": _governor(),
        "temperature_c": temperature_c(),
        "throttled": throttled(),
        "model": classifier.name,
        "runtime": classifier.runtime,
        "machine": machine_name(),
        "threads": classifier.threads,
        "delegated": classifier.delegated,
        "frame": "{}x{}".format(*arguments.size),
        "runs": arguments.runs,
        "floor_ms": _summary(floor_ms),
        "frame_ms": _summary(whole_ms),
        "stages_ms": {stage: _summary(times) for stage, times in stages_ms.items()},
        "ratio_p50": round(float(np.median(whole_ms) / np.median(floor_ms)), 4),
    }
    if arguments.report:
        print(_row(report))
    if arguments.json or arguments.report:
        print(json.dumps(report))
    else:
        _print(report, stages_ms, floor_ms, whole_ms)
    return 0


def _row(report: dict[str, Any]) -> str:
    """A line for the table of boards in docs/benchmarks.md."""
    cells = (
        f"{report['machine']}, {report['threads']} thread(s)",
        report["model"],
        f"{report['floor_ms']['p50']:.2f} ms",
        f"{report['frame_ms']['p50']:.2f} ms ({report['ratio_p50']:.3f}×)",
        f"edged {report['version']}, {report['runtime']}, Python {report['python']}",
    )
    return f"| {' | '.join(cells)} |"


def _config(arguments: argparse.Namespace) -> Config:
    overrides = [*arguments.overrides, f"model.threads={arguments.threads}"]
    config = load(arguments.config, overrides, os.environ)
    if arguments.model or arguments.labels:
        from msgspec.structs import replace

        # Another model has other labels: the configuration's rules do not speak of them.
        model = ModelConfig(
            path=arguments.model, labels=arguments.labels, threads=arguments.threads
        )
        config = replace(config, model=model, rule=[])
    return config


def _picture(width_px: int, height_px: int) -> Pixels:
    """A picture with structure at every scale: a fixed sum of gratings and seeded noise."""
    if width_px * height_px > 64_000_000:
        raise ConfigError(f"--size {width_px}x{height_px}: larger than 64 megapixels")
    y, x = np.mgrid[0:height_px, 0:width_px]
    grating = 96 + 64 * np.sin(x / 17) * np.cos(y / 23)
    noise = np.random.default_rng(0).normal(0, 16, (height_px, width_px, 3))
    picture: Pixels = np.clip(grating[..., None] + noise, 0, 255).astype(np.uint8)
    return picture


def _summary(times_ms: Sequence[float]) -> dict[str, float]:
    return {
        "p50": round(float(np.percentile(times_ms, 50)), 4),
        "p99": round(float(np.percentile(times_ms, 99)), 4),
    }


def machine_name() -> str:
    """The processor's name and how many of its cores this process may use."""
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


def _print(
    report: dict[str, object],
    stages_ms: dict[str, list[float]],
    floor_ms: Sequence[float],
    whole_ms: Sequence[float],
) -> None:
    print(f"{report['model']}, {report['runtime']}, {report['threads']} thread(s)")
    print(f"{report['machine']}; frame {report['frame']}, {report['runs']} runs")
    print(f"{'stage':10} {'p50 ms':>9} {'p99 ms':>9}")
    for stage, times in [*stages_ms.items(), ("frame", whole_ms), ("floor", floor_ms)]:
        print(f"{stage:10} {np.percentile(times, 50):9.3f} {np.percentile(times, 99):9.3f}")
    print(f"a frame is {report['ratio_p50']} of the bare invoke (medians)")
