"""The runtimes side by side, and the options under them; and what example scripts usually do."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import material, process
from benchmarks.configuration import lamp
from benchmarks.results import Part, Table, Times
from benchmarks.rig import rig
from edged.imaging.picture import decode_jpeg

ENVIRONMENTS = material.ROOT / "build" / "bench"
ROUNDS = 4
RUNS = 40
WARM = 5


def measure(folder: Path) -> Part:
    """Each variant in a process of its own, in turns; the first invokes of each are left out."""
    part = Part("Runtimes and options")
    bundled, per_channel, per_tensor = (
        material.bundled(),
        material.PER_CHANNEL,
        material.PER_TENSOR,
    )
    variants: dict[str, dict[str, Any]] = {}
    if material.has_mobilenet():
        for name in ("litert", "tflite-runtime", "tensorflow"):
            variants[f"{name}, as it comes, 1 thread"] = {"name": name, "model": per_channel}
        variants |= {
            "litert, CompiledModel": {"name": "litert-compiled", "model": per_channel},
            "litert, CompiledModel, weight cache": {
                "name": "litert-compiled",
                "model": per_channel,
                "weight_cache": str(folder / "weights.xnnpack"),
            },
            "litert, 2 threads": {"name": "litert", "model": per_channel, "threads": 2},
            "litert, no XNNPACK, 1 thread": {
                "name": "litert",
                "model": per_channel,
                "xnnpack": False,
            },
            "litert, uint8 per tensor": {"name": "litert", "model": per_tensor},
            "litert, uint8 per tensor, no XNNPACK": {
                "name": "litert",
                "model": per_tensor,
                "xnnpack": False,
            },
        }
    variants["litert, bundled model"] = {"name": "litert", "model": bundled}
    variants["litert, bundled model, 2 threads"] = {
        "name": "litert",
        "model": bundled,
        "threads": 2,
    }
    durations: dict[str, list[float]] = {name: [] for name in variants}
    imports: dict[str, list[float]] = {name: [] for name in variants}
    loads: dict[str, list[float]] = {name: [] for name in variants}
    memory: dict[str, float] = {}
    # The first round is not counted: files come from the disk, and caches are written.
    for number in range(1 + ROUNDS):
        for title, variant in list(variants.items()):
            try:
                python = _python(variant["name"])
                _, rss_mb, answer = process.bare(python=python, runs=RUNS + WARM, **variant)
            except (RuntimeError, OSError) as error:
                part.notes.append(f"{title}: left out ({error})")
                del variants[title]
                continue
            if number:
                durations[title] += answer["durations_s"][WARM:]
                imports[title].append(answer["import_s"])
                loads[title].append(answer["load_s"])
                memory[title] = rss_mb
    floor = Times.of_seconds(durations[next(iter(variants))])
    lines = []
    for title in variants:
        times = Times.of_seconds(durations[title])
        lines.append(
            (
                title,
                str(times),
                f"{times.p50 / floor.p50:.2f}",
                f"{np.median(imports[title]) * 1e3:.0f}",
                f"{np.median(loads[title]) * 1e3:.1f}",
                f"{memory[title]:.0f}",
            )
        )
    head = ("variant", "invoke p50/p90/p99 ms", "over the first", "import ms", "load ms", "RSS MB")
    part.tables.append(Table("Bare invoke, in turns", head, lines))
    part.notes.append(
        "XNNPACK's weight cache file needs LiteRT's CompiledModel: no interpreter's "
        "constructor offers it. tflite-runtime and TensorFlow run in environments of their own "
        "under build/bench."
    )
    return part


def scripts(folder: Path, port: int) -> Part:
    """The loop of the usual example script beside edged, on the same JPEG frames."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion
    from PIL import Image

    part = Part("Beside the usual example script")
    model, labels = material.reference()
    data = material.full_hd_jpeg()
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def script(interpreter: Any) -> None:
        given = interpreter.get_input_details()[0]
        _, height, width, _ = given["shape"]
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        small = picture.resize((int(width), int(height)), Image.Resampling.BILINEAR)
        pixels = np.expand_dims(np.asarray(small), 0)
        if given["dtype"] == np.int8:
            pixels = (pixels.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        made = interpreter.get_output_details()[0]
        scores = interpreter.get_tensor(made["index"])[0]
        best = sorted(range(len(scores)), key=lambda i: scores[i], reverse=True)[:3]
        client.publish("script/result", str(best), qos=1).wait_for_publish(5.0)

    def opened() -> Any:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(model), num_threads=1)
        interpreter.allocate_tensors()
        return interpreter

    kept = opened()
    with rig(folder, model, labels, port, text=lamp(model)) as bench:
        decode = partial(decode_jpeg, data, "bench")
        ways: dict[str, Callable[[], object]] = {
            "bare invoke": bench.floor_s,
            "edged: all ports": lambda: bench.frame(decode),
            "script, one interpreter": lambda: script(kept),
            "script, an interpreter per frame": lambda: script(opened()),
        }
        took_s: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(45):
            for name, way in ways.items():
                began_s = time.perf_counter()
                way()
                if number >= 5:
                    took_s[name].append(time.perf_counter() - began_s)
    client.loop_stop()
    times = {name: Times.of_seconds(values) for name, values in took_s.items()}
    edged_ms = times["edged: all ports"].p50
    lines = [(name, str(t), f"{t.p50 / edged_ms:.2f}") for name, t in times.items()]
    head = ("way", "p50/p90/p99 ms", "over edged")
    part.tables.append(Table("A JPEG of 1920×1080 to a decision that is published", head, lines))
    part.notes.append(
        "The script decodes the whole JPEG with Pillow, resizes with BILINEAR, sorts the scores in "
        "Python, publishes with QoS 1 and waits in the loop, as examples do."
    )
    part.figures["script_over_edged"] = times["script, one interpreter"].p50 / edged_ms
    return part


def _python(name: str) -> str:
    if name.startswith("litert"):
        return sys.executable
    python = ENVIRONMENTS / name / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"no {python.relative_to(material.ROOT)}; `make bench-environments`")
    return str(python)
