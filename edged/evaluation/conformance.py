"""Tests that every image classifier must pass, on synthetic pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edged.config.schema import ModelConfig
from edged.evaluation.check import Check
from edged.inference import interface, runtimes
from edged.inference.tensors import Tensor
from edged.inference.tflite import TfliteClassifier, trial_pictures

FLOAT_SUM_TOLERANCE = 1e-3
PIXELS_SIDE = 96


def check(classifier: TfliteClassifier, model: ModelConfig) -> list[Check]:
    """All tests of `classifier`, which was loaded from `model`. ModelError."""
    return list(_checks(classifier, model))


def _checks(classifier: TfliteClassifier, model: ModelConfig) -> Iterator[Check]:
    source, outputs = _tensors(classifier.path, model)
    yield Check("one image as input, 1 or 3 channels", True, _text(source))
    classes = len(classifier.labels)
    shaped = [output for output in outputs if output.shape[-1] == classes]
    yield Check("one score per label as output", bool(shaped), "; ".join(map(_text, outputs)))
    names = ("black", "white", "ramp", "noise")
    given = dict(zip(names, trial_pictures(PIXELS_SIDE, PIXELS_SIDE), strict=True))
    scores = {name: classifier.classify(pixels).scores for name, pixels in given.items()}
    yield Check(
        "one float32 score per class",
        all(s.dtype == np.float32 and s.shape == (classes,) for s in scores.values()),
        f"{classes} classes",
    )
    low = min(float(s.min()) for s in scores.values())
    high = max(float(s.max()) for s in scores.values())
    finite = all(np.isfinite(s).all() for s in scores.values())
    yield Check(
        "scores finite and in 0..1", finite and low >= 0 and high <= 1, f"{low:g}..{high:g}"
    )
    step = max((output.scale for output in shaped), default=0.0)
    # A quantised score is off by at most half a step, so their sum by this much.
    tolerance = max(step * classes / 2, FLOAT_SUM_TOLERANCE)
    sums = [float(s.sum()) for s in scores.values()]
    if classes > 1:
        yield Check(
            f"scores sum to 1, within {tolerance:.3g}",
            all(abs(total - 1) <= tolerance for total in sums),
            f"{min(sums):.4f}..{max(sums):.4f}",
        )
    again = {name: classifier.classify(given[name]).scores for name in reversed(given)}
    same = [name for name in given if np.array_equal(scores[name], again[name])]
    yield Check(
        "the same picture gives the same scores, whatever came before",
        len(same) == len(given),
        f"{len(same)} of {len(given)} pictures",
    )
    different = len({s.tobytes() for s in scores.values()})
    yield Check(
        "different pictures give different scores", different > 1, f"{different} of {len(given)}"
    )


def _tensors(path: Path, model: ModelConfig) -> tuple[Tensor, list[Tensor]]:
    runtime = runtimes.choose(model.runtime)
    interpreter = runtimes.open_interpreter(runtime, path, model, 1)
    [source] = interface.tensors_of(path, interpreter.get_input_details())
    return source, interface.tensors_of(path, interpreter.get_output_details())


def _text(tensor: Tensor) -> str:
    quantised = f", ({tensor.zero_point}, {tensor.scale:g})" if tensor.scale else ""
    return f"{tensor.name} {'x'.join(map(str, tensor.shape))} {tensor.dtype.name}{quantised}"
