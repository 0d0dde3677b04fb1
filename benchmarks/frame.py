"""From a frame to its decision, over the bare invoke, alternating."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import material
from benchmarks.configuration import lamp
from benchmarks.results import Part, Plot, Table, Times
from benchmarks.rig import Decode, Rig, rig, still
from edged.imaging.picture import decode_jpeg

WARM = 30
RUNS = 400


class Compared(NamedTuple):
    """The floor, frames up to their decision and until the loop is done with them, and stages."""

    floor: Times
    decision: Times
    whole: Times
    stages: dict[str, Times]


def compare(bench: Rig, decode: Decode, runs: int = RUNS) -> Compared:
    """Floor and frames, taken in turns."""
    floor_s, decision_s, whole_s = [], [], []
    stages_s: dict[str, list[float]] = {}
    for number in range(WARM + runs):
        bare_s = bench.floor_s()
        taken = bench.frame(decode)
        if number < WARM:
            continue
        floor_s.append(bare_s)
        decision_s.append(taken.decision_s)
        whole_s.append(taken.whole_s)
        for stage, duration_s in taken.result.stages_s.items():
            stages_s.setdefault(stage, []).append(duration_s)
    stages = {stage: Times.of_seconds(values) for stage, values in stages_s.items()}
    floor, decision, whole = map(Times.of_seconds, (floor_s, decision_s, whole_s))
    return Compared(floor, decision, whole, stages)


def measure(folder: Path, port: int) -> Part:
    """Every size of frame for the reference model and the bundled one."""
    part = Part("Frame to decision")
    lines = []
    model, labels = material.reference()
    vga = still(material.picture(640, 480))
    with rig(folder, model, labels, port, text=lamp(model)) as bench:
        height_px, width_px = bench.input_px
        cases: dict[str, Decode] = {
            "640×480 RGB": vga,
            "RGB of the model's size": still(material.picture(width_px, height_px)),
            "1920×1080 JPEG": partial(decode_jpeg, material.full_hd_jpeg(), "bench"),
        }
        for what, decode in cases.items():
            found = compare(bench, decode)
            floor, decision = found.floor, found.decision
            lines.append(_line(f"{model.stem}, {what}", found))
            p50, p99 = decision.p50 / floor.p50, decision.p99 / floor.p99
            if what == "640×480 RGB":
                part.figures["frame_ratio_p50"] = p50
                part.judge(f"{what} → decision over the invoke, p50", p50, "", 1.08)
                part.judge(f"{what} → decision over the invoke, p99", p99, "", 1.25)
            elif what == "1920×1080 JPEG":
                more_ms = decision.p50 - floor.p50
                part.figures["jpeg_overhead_p50_ms"] = more_ms
                part.judge(f"{what} → decision above the invoke, p50", more_ms, " ms", 4.0)
            else:
                part.figures["exact_ratio_p50"] = p50
                part.judge(f"{what} → decision over the invoke, p50", p50, "", 1.03)
    bundled = material.bundled()
    with rig(folder, bundled, "", port, text=lamp(bundled)) as bench:
        found = compare(bench, vga, 2 * RUNS)
        floor = found.floor
        lines.append(_line(f"{bundled.stem}, 640×480 RGB", found))
        more_ms = found.decision.p50 - floor.p50
        part.figures["bundled_overhead_p50_ms"] = more_ms
        part.figures["bundled_overhead_of_invoke"] = more_ms / floor.p50
        part.judge("bundled model: 640×480 RGB → decision above the invoke", more_ms, " ms", 0.5)
    head = (
        "frame",
        "floor p50/p90/p99 ms",
        "decision p50/p90/p99 ms",
        "ratio p50",
        "loop done p50/p90/p99 ms",
        "stages p50 ms",
    )
    part.tables.append(Table("Alternating, all ports open, one thread", head, lines))
    part.notes.append(
        "The floor is `set_tensor`, `invoke`, `get_tensor` on the same interpreter. A decision is "
        "decode, resize, invoke, scores and the rules; the loop is done when every port has the "
        "frame too (pins, MQTT, control socket, log). All share the caches: each invoke evicts "
        "what Python and the resize had there."
    )
    return part


def sizes(folder: Path) -> Part:
    """VGA to 4K."""
    part = Part("Size of the frame")
    model, labels = material.reference()
    curves: dict[str, list[tuple[float, float]]] = {"above the invoke": [], "resize": []}
    with rig(folder, model, labels, text=lamp(model)) as bench:
        for width_px, height_px in ((640, 480), (1280, 720), (1920, 1080), (3840, 2160)):
            pixels = material.picture(width_px, height_px)
            found = compare(bench, still(pixels), 100)
            megapixels = width_px * height_px / 1e6
            curves["above the invoke"].append((megapixels, found.whole.p50 - found.floor.p50))
            curves["resize"].append((megapixels, found.stages["resize"].p50))
    part.plots.append(Plot("size", "RGB frame: cost by size", "megapixels", "ms", curves))
    return part


def _line(what: str, found: Compared) -> tuple[str, ...]:
    floor, decision, whole, stages = found
    detail = ", ".join(f"{stage} {times.p50:.3f}" for stage, times in stages.items())
    ratio = f"{decision.p50 / floor.p50:.3f}"
    return (what, str(floor), str(decision), ratio, str(whole), detail)
