"""CPU time of a frame of a still scene, by the format of the camera, with and without the model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks import material
from benchmarks.configuration import lamp
from benchmarks.results import Part, Table
from benchmarks.rig import Decode, Rig, rig
from edged.config.schema import IdleConfig
from edged.core import Pixels
from edged.imaging.picture import decode_jpeg, jpeg
from edged.imaging.yuv import yuyv_to_rgb
from edged.perception.still import SETTLE_S, StillScenes

RUNS = 150
FPS = 10.0
NOISE = 4.0
MOST_PERCENT = 25.0

HEIGHT_PX, WIDTH_PX = 480, 640


def measure(folder: Path) -> Part:
    """The reference model and the bundled one."""
    part = Part("Still scenes")
    lines = []
    for name, (model, labels) in {
        "reference": material.reference(),
        "bundled": (material.bundled(), ""),
    }.items():
        with rig(folder, model, labels, text=lamp(model)) as bench:
            for what, frames in _formats().items():
                every_ms = _classified_ms(bench, cycle(frames))
                held_ms = _held_ms(bench, cycle(frames))
                # One in so many is classified all the same.
                one_in = IdleConfig().still_s * FPS
                mean_ms = held_ms + (every_ms - held_ms) / one_in
                share = 100 * mean_ms / every_ms
                times = (f"{ms:.2f}" for ms in (every_ms, held_ms, mean_ms))
                lines.append((model.stem, what, *times, f"{share:.0f} %"))
                if name == "reference":
                    part.judge(f"still scene, {what}, of its CPU time", share, " %", MOST_PERCENT)
                part.figures[f"still_{name}_{what.split()[0].lower()}_percent"] = share
    head = ("model", "frames", "classified ms", "still ms", "mean at 10 fps ms", "of classifying")
    part.tables.append(Table("CPU time of a frame with all ports", head, lines))
    part.notes.append(
        "CPU time of the loop, decoding included, in turns on one thread; camera and network "
        f"threads are not. A still scene is classified once in {IdleConfig().still_s:g} s. Energy "
        "was not measured: above what an idle board draws, it is in proportion to the CPU time."
    )
    return part


def _formats() -> dict[str, Sequence[Decode]]:
    """Frames of one place with other noise in each, as cameras deliver them."""
    place, _ = material.two_scenes()
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(place + rng.normal(0, NOISE, place.shape), 0, 255).astype(np.uint8)
        for _ in range(8)
    ]
    return {
        "YUYV 640×480": [_yuyv(pixels) for pixels in noisy],
        "JPEG 640×480": [partial(decode_jpeg, jpeg(pixels, 80), "bench") for pixels in noisy],
    }


def _yuyv(pixels: Pixels) -> Decode:
    """ITU-R BT.601, limited range, as most USB cameras send it."""
    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    data = np.empty((HEIGHT_PX, WIDTH_PX, 2), np.uint8)
    data[..., 0] = luma
    data[:, ::2, 1] = (128 - 0.148 * red - 0.291 * green + 0.439 * blue)[:, ::2]
    data[:, 1::2, 1] = (128 + 0.439 * red - 0.368 * green - 0.071 * blue)[:, ::2]
    content = data.tobytes()
    return lambda wanted_px: yuyv_to_rgb(content, WIDTH_PX, HEIGHT_PX, 2 * WIDTH_PX, wanted_px)


def _classified_ms(bench: Rig, frames: Iterator[Decode]) -> float:
    return _median_ms(bench, frames, still=False)


def _held_ms(bench: Rig, frames: Iterator[Decode]) -> float:
    perception = bench.pipeline.perception
    still = StillScenes(3600.0, perception.wanted_px)
    bench.pipeline.perception = perception.with_rules(bench.decider, still)
    settled_s = time.monotonic() + 2 * SETTLE_S
    while time.monotonic() < settled_s:
        bench.frame(next(frames))
    held_ms = _median_ms(bench, frames, still=True)
    bench.pipeline.perception = perception
    return held_ms


def _median_ms(bench: Rig, frames: Iterator[Decode], *, still: bool) -> float:
    times_s = []
    for _ in range(RUNS):
        began_s = time.thread_time()
        taken = bench.frame(next(frames))
        times_s.append(time.thread_time() - began_s)
        if taken.result.prediction.still != still:
            raise RuntimeError("a frame of a still scene was taken for another one")
    return float(np.median(times_s)) * 1e3
