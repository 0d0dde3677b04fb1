"""What edged's parts take by this machine's clock: ``python -m benchmarks.arm.guest``.

Prints one line, `MARK` and a JSON object of figures. A name is a path of what and how; a figure is
in milliseconds, which are millions of instructions where the clock counts those.
"""

from __future__ import annotations

import itertools
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import configuration, latency, material, process
from benchmarks.arm import MARK
from benchmarks.rig import rig
from edged.config.schema import DecideConfig, ModelConfig, RuleConfig
from edged.core import Frame, Pixels, Scores
from edged.imaging.picture import decode_jpeg, jpeg
from edged.imaging.resample import resample
from edged.imaging.yuv import nv12_to_rgb, yuyv_to_rgb
from edged.inference.tflite import load
from edged.native import kernels
from edged.perception.filter import look_up
from edged.perception.perception import Perception
from edged.perception.rules import Decider

WARM = 2
RUNS = 7
"""Few are enough where the median repeats to the fourth digit."""

FRAME_S = 1 / 30
CHANGES = 24
"""Of the picture, on the way from the light to the pin."""

Figures = dict[str, float]


class Taken(NamedTuple):
    """Seconds for a frame: decoding, each stage, deciding, and all of it."""

    stages_s: dict[str, float]
    whole_s: float


class Subject:
    """A model with one rule over it."""

    def __init__(self, model: Path, labels: str) -> None:
        self._classifier = load(ModelConfig(path=str(model), labels=labels, threads=1))
        rule = RuleConfig(name="seen", labels=[self._classifier.labels[1]])
        decider = Decider([rule], DecideConfig(), self._classifier.labels)
        self._perception = Perception(self._classifier, decider)
        self._number = 0
        self.wanted_px = self._perception.wanted_px

    def invoke(self) -> None:
        self._classifier.invoke()

    def frame(self, decode: Callable[[], Pixels]) -> Taken:
        self._number += 1
        began_s = time.perf_counter()
        pixels = decode()
        decode_s = time.perf_counter() - began_s
        frame = Frame(pixels, self._number, self._number * FRAME_S, decode_s)
        result = self._perception.decide(frame)
        return Taken(dict(result.stages_s), time.perf_counter() - began_s)


def frames() -> Figures:
    """Each stage of a frame, the whole, and the invoke alone, by model and kind of frame."""
    found: Figures = {}
    vga, full_hd = material.picture(640, 480), material.full_hd_jpeg()
    subjects = {"bundled": Subject(material.bundled(), "")}
    # A made JPEG would take another time than the photograph.
    real = material.has_mobilenet()
    if real:
        subjects["mobilenet"] = Subject(*material.reference())
    for model, subject in subjects.items():
        kinds: dict[str, Callable[[], Pixels]] = {"vga": lambda: vga}
        if real:
            kinds["jpeg"] = partial(decode_jpeg, full_hd, "bench", subject.wanted_px)
        for kind, decode in kinds.items():
            invoke_ms, taken = [], []
            for _ in range(WARM + RUNS):
                invoke_ms.append(_ms(subject.invoke))
                taken.append(subject.frame(decode))
            here = f"frame/{model}/{kind}"
            found[f"{here}/invoke alone"] = statistics.median(invoke_ms[WARM:])
            found[f"{here}/whole"] = statistics.median(t.whole_s * 1e3 for t in taken[WARM:])
            for stage in taken[0].stages_s:
                found[f"{here}/{stage}"] = statistics.median(
                    t.stages_s[stage] * 1e3 for t in taken[WARM:]
                )
    return found


def resizes() -> Figures:
    """The resize alone, and that of Pillow."""
    found: Figures = {}
    for width_px, height_px, side_px in ((640, 480, 224), (960, 540, 224), (640, 480, 32)):
        pixels = material.picture(width_px, height_px)
        out = np.empty((side_px, side_px, 3), np.uint8)
        what = f"{width_px}×{height_px} → {side_px}"
        found[f"resize/{what}"] = _median_ms(partial(resample, pixels, out))
        found[f"pillow/{what}"] = _median_ms(partial(_by_pillow, pixels, out))
    return found


def _by_pillow(pixels: Pixels, out: Pixels) -> None:
    from PIL import Image

    picture = Image.fromarray(pixels).resize(out.shape[:2], Image.Resampling.BILINEAR)
    out[...] = np.asarray(picture)


def conversions() -> Figures:
    """Cameras' uncompressed frames, in instructions a pixel.

    To the model's picture, above what the resize of RGB takes; and to all pixels of RGB.
    """
    width_px, height_px, size_px = 640, 480, (224, 224)
    levels = np.random.default_rng(0).integers(0, 256, 2 * width_px * height_px, np.uint8)
    yuyv, nv12 = levels.tobytes(), levels[: width_px * height_px * 3 // 2].tobytes()
    rgb, out = material.picture(width_px, height_px), np.empty((*size_px, 3), np.uint8)
    resize_ms = _median_ms(partial(resample, rgb, out))
    found: Figures = {}
    for layout, to_rgb in (
        ("YUYV", partial(yuyv_to_rgb, yuyv, width_px, height_px, 2 * width_px)),
        ("NV12", partial(nv12_to_rgb, nv12, width_px, height_px, width_px)),
    ):
        per_pixel = 1e6 / (width_px * height_px)
        above_ms = _median_ms(partial(to_rgb, size_px)) - resize_ms
        found[f"pixel/{layout} → 224, above RGB"] = per_pixel * above_ms
        found[f"pixel/{layout}, all of it"] = per_pixel * _median_ms(to_rgb)
    return found


def scores() -> Figures:
    """What is done to the scores of a frame, by the number of classes and of rules."""
    found: Figures = {}
    table = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    for classes in (10, 1001):
        levels = np.random.default_rng(0).integers(0, 256, classes, np.uint8)
        found[f"look up/{classes} classes"] = _median_ms(partial(look_up, table, levels), 100)
        row = look_up(table, levels)
        for count in (1, 10, 100):
            decider = _decider(classes, count)
            rules = "1 rule" if count == 1 else f"{count} rules"
            decide = partial(_decide, decider, row, itertools.count())
            found[f"decide/{classes} classes, {rules}"] = _median_ms(decide, 100)
    return found


def _decider(classes: int, rules: int) -> Decider:
    labels = [f"class {number}" for number in range(classes)]
    return Decider(
        [RuleConfig(name=f"rule {n}", labels=[labels[n % classes]]) for n in range(rules)],
        DecideConfig(),
        labels,
    )


def _decide(decider: Decider, row: Scores, numbers: Iterator[int]) -> None:
    number = next(numbers)
    decider.decide(row, number * FRAME_S, number)


def processes() -> Figures:
    """Whole processes, whose files are in memory already."""
    runtime = "import numpy, ai_edge_litert.interpreter"
    python, edged = sys.executable, str(Path(sys.executable).with_name("edged"))
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.jpg"
        picture.write_bytes(jpeg(material.picture(640, 480), 90))
        commands = {
            "python -c pass": (python, "-c", "pass"),
            "import numpy": (python, "-c", "import numpy"),
            "import numpy and the runtime": (python, "-c", runtime),
            "edged version": (edged, "version"),
            "edged classify": (edged, "classify", "--threads", "1", str(picture)),
        }
        return {
            f"process/{what}": _median_ms(partial(_run, command), 3)
            for what, command in commands.items()
        }


def daemons() -> Figures:
    """From a process's start to its first classification: the bare script, and edged with pins."""
    model, labels = material.reference()
    bare_ms, edged_ms = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = configuration.still(folder) + configuration.model(model, labels)
        text += configuration.lamp(model)
        for number in range(WARM + 3):
            bare_ms.append(1e3 * process.bare("litert", model)[0])
            with process.daemon(folder, f"start{number}", text) as running:
                edged_ms.append(1e3 * running.started_s)
    return {
        "start/bare script": statistics.median(bare_ms[WARM:]),
        "start/edged run": statistics.median(edged_ms[WARM:]),
    }


def light_to_pin() -> Figures:
    """From a captured frame to its decision, and from there to the level at the guard's pin."""
    model, labels = material.reference()
    source = latency.StampedSource(material.two_scenes()[::-1], 1 / FRAME_S, CHANGES, 5)
    camera = latency.camera_of(source)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = configuration.lamp(model)
        with (
            latency.watched_pins(folder) as changes,
            rig(folder, model, labels, text=text, camera=camera, keep=None) as bench,
        ):
            changes.clear()
            latency.run_to_end(bench, camera)
        decided = [result for result in bench.results if result.events]
        pins_s = latency.between([result.decided_s for result in decided], changes.seconds())
    if len(pins_s) < 2:
        # The bundled model knows nothing of what a made picture shows.
        return {}
    # The first is the start's.
    seen_s = [result.decided_s - result.frame.captured_s for result in decided[1:]]
    return {
        "way/captured frame to decision": 1e3 * statistics.median(seen_s),
        "way/decision to pin": 1e3 * statistics.median(pins_s[1:]),
    }


def _run(command: tuple[str, ...]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


PARTS: tuple[Callable[[], Figures], ...] = (
    *(frames, resizes, conversions, scores),
    *(processes, daemons, light_to_pin),
)


def _ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1e3


def _median_ms(work: Callable[[], object], runs: int = RUNS) -> float:
    return statistics.median([_ms(work) for _ in range(WARM + runs)][WARM:])


def features() -> str:
    """The processor's, in the words of Arm's kernel; empty on others."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("Features")), "")


def figures() -> Figures:
    """All of them."""
    found: Figures = {}
    for measure in PARTS:
        found.update(measure())
    return found


def main() -> None:
    """All that there is to say."""
    found = figures()
    about = {"kernel": platform.release(), "python": platform.python_version()}
    said = {
        "about": {**about, **{name: version(name) for name in ("ai-edge-litert", "numpy")}},
        "features": features(),
        "compiled": kernels is not None,
        "figures": found,
    }
    print(MARK + json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
