"""The model: whether it loads, runs on XNNPACK, and is fast enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from edged import build
from edged.config.schema import Config, ModelConfig
from edged.doctor.remedy import parted
from edged.errors import EdgedError
from edged.inference.tflite import TfliteClassifier
from edged.messages.doctor import Finding

FRAMES = 10


def look(config: Config, *, runs: bool) -> Iterator[Finding]:
    """`runs` is whether the daemon, which then takes its share of the processor, answers."""
    try:
        with build.classifier(config) as classifier:
            yield Finding("model", "ok", f"{classifier.name} runs on {classifier.runtime}")
            yield from _delegated(classifier, config.model)
            yield from _speed(classifier, config, runs=runs)
    except EdgedError as error:
        yield Finding("model", "error", *parted(str(error)))


def _delegated(classifier: TfliteClassifier, settings: ModelConfig) -> Iterator[Finding]:
    share = classifier.delegated
    if share is None:
        return
    if share == 0.0:
        do = "use another model.runtime, or a model with integer or float32 operators"
        if not settings.xnnpack:
            do = "set model.xnnpack = true"
        what = "no operator runs on XNNPACK or another delegate: the model is slow"
        yield Finding("xnnpack", "warning", what, do)
    else:
        yield Finding("xnnpack", "ok", f"{share:.0%} of the operators run on XNNPACK or a delegate")


def _speed(classifier: TfliteClassifier, config: Config, *, runs: bool) -> Iterator[Finding]:
    camera = config.camera
    shape = (camera.height_px, camera.width_px, 3)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    took_s = []
    for _ in range(FRAMES):
        began_s = time.perf_counter()
        classifier.classify(picture)
        took_s.append(time.perf_counter() - began_s)
    fps = 1 / median(took_s)
    beside = ", measured beside the running daemon" if runs else ""
    what = f"about {fps:.0f} frames a second of {camera.width_px}x{camera.height_px}{beside}"
    if fps < camera.fps and not runs:
        do = f"set camera.fps = {max(1, int(fps * 0.9))}, or use a smaller model"
        yield Finding("speed", "warning", f"{what}; camera.fps is {camera.fps:g}", do)
    else:
        yield Finding("speed", "ok", what)
