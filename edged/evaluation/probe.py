"""What a model costs to run: time, memory and delegation, measured in a process of its own.

``python -m edged.evaluation.probe`` is that process: it takes a `ModelConfig` as JSON on standard
input and prints a `Footprint`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import msgspec
import numpy as np
from msgspec import Struct

from edged.config.schema import ModelConfig
from edged.errors import EdgedError, ModelError

TIMEOUT_S = 300.0
WARMUP = 10
RUNS = 100
"""Timed invocations; fewer if they take longer than `BUDGET_S` in total."""
BUDGET_S = 5.0


class Footprint(Struct, frozen=True):
    """Cost on this machine.

    ``invoke_ms`` is the median of a bare invoke, ``rss_mb`` the process's peak resident set with
    Python, runtime and model (1 MB is 10^6 bytes), ``delegated`` the share of operators that
    XNNPACK or another delegate runs (None if the runtime does not report it).
    """

    invoke_ms: float
    rss_mb: float
    delegated: float | None
    threads: int


def measure(model: ModelConfig) -> Footprint:
    """Measure `model` in a child. ModelError if it cannot be loaded, or crashes."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", "edged.evaluation.probe"],
            # Python's own JSON: it passes a path that is not UTF-8 unchanged.
            input=json.dumps(msgspec.to_builtins(model)).encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"no answer within {TIMEOUT_S:g} s"
        raise ModelError(f"{model.path}: {reason}; give another model") from error
    try:
        return msgspec.json.decode(child.stdout, type=Footprint)
    except msgspec.DecodeError as error:
        said = " ".join(child.stderr.decode(errors="replace").split("\n")[-2:]).strip()
        raise ModelError(
            f"{model.path}: measuring it ended with status {child.returncode} "
            f"({said[-200:] or 'no message'}); try another model.runtime"
        ) from error


def main() -> int:
    """The child."""
    from edged.inference import tflite

    try:
        model = msgspec.convert(json.load(sys.stdin), ModelConfig)
        classifier = tflite.load(model)
    except (EdgedError, json.JSONDecodeError, msgspec.ValidationError) as error:
        print(error, file=sys.stderr)
        return 1
    noise = np.random.default_rng(0).integers(0, 256, (*classifier.input_px, 3), np.uint8)
    for _ in range(WARMUP):
        classifier.classify(noise)
    times_s: list[float] = []
    while len(times_s) < RUNS and sum(times_s) < BUDGET_S:
        began_s = time.perf_counter()
        classifier.invoke()
        times_s.append(time.perf_counter() - began_s)
    footprint = Footprint(
        invoke_ms=round(float(np.median(times_s)) * 1e3, 4),
        rss_mb=round(_peak_bytes() / 1e6, 1),
        delegated=None if classifier.delegated is None else round(classifier.delegated, 4),
        threads=classifier.threads,
    )
    print(json.dumps(msgspec.to_builtins(footprint)))
    return 0


def _peak_bytes() -> int:
    """Of this process alone: ``ru_maxrss`` would include its parent's memory (Linux)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
