"""What a model says of a picture, by Pillow and a bare interpreter: what edged is held against.

It shares no code with edged and follows docs/models.md only, so who doubts an answer of edged
reads this file. By hand: python -m tests.conformance.reference MODEL PICTURE...
"""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from tests.conformance import facts

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
SPAN = 0.75
"""The part of an integer's range that pixels fill where metadata is meant for it."""

Array = npt.NDArray[Any]


def upright(path: Path, least_px: int | None = None) -> Image.Image:
    """The picture in RGB; with `least_px` the decoder may reduce a JPEG, to that at least."""
    with Image.open(path, formats=FORMATS) as picture:
        if least_px:
            picture.draft(None, (least_px, least_px))
        picture.load()
        turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I;16"):
        turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned)
    return turned.convert("RGB")


def resized(picture: Image.Image, height_px: int, width_px: int, fit: str) -> Array:
    """Shape (height, width, 3), uint8: all of it, or for "crop" the middle at that aspect."""
    if fit == "crop":
        width = min(picture.width, max(1, round(picture.height * width_px / height_px)))
        height = min(picture.height, max(1, round(picture.width * height_px / width_px)))
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    return np.asarray(picture.resize((width_px, height_px), Image.Resampling.BILINEAR))


class Reference:
    """A model in the interpreter of `module`, read as its file says or as it is told.

    `told` has any of mean, std, scores, labels and channels, as edged's section [model]. ValueError
    for what is no image classifier.
    """

    def __init__(self, path: Path, told: dict[str, Any], module: str, xnnpack: bool) -> None:
        runtime = importlib.import_module(module)
        kernels = runtime.OpResolverType
        self.interpreter = runtime.Interpreter(
            model_path=str(path),
            num_threads=1,
            experimental_op_resolver_type=kernels.AUTO
            if xnnpack
            else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self.interpreter.allocate_tensors()
        self.model = facts.read(path)
        self.told = told
        self.labels = facts.count_labels(path, told.get("labels", ""))
        inputs = self.interpreter.get_input_details()
        outputs = self.interpreter.get_output_details()
        lists = [o for o in outputs if len(o["shape"]) and math.prod(o["shape"]) == o["shape"][-1]]
        shape = [int(size) for size in inputs[0]["shape"]]
        self.channels = shape[3] if len(shape) == 4 else 1
        if len(inputs) != 1 or len(shape) not in (3, 4) or self.channels not in (1, 3):
            raise ValueError(f"no image as only input: {[i['shape'].tolist() for i in inputs]}")
        if len(outputs) > 2 or not lists:
            raise ValueError(f"no list of scores: {[o['shape'].tolist() for o in outputs]}")
        self.height_px, self.width_px = shape[1:3]
        self.input, self.output = inputs[0], max(lists, key=self._looks_like_scores)
        self.logits = self._are_logits()

    def _looks_like_scores(self, output: dict[str, Any]) -> tuple[bool, bool]:
        return "scores" in output["name"].lower(), output["shape"][-1] == self.labels

    def classify(self, pixels: Array) -> Array:
        """The scores of `pixels`, which have the input's size and are uint8 RGB."""
        if self.channels == 1:
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))
        elif self.told.get("channels") == "bgr":
            pixels = pixels[..., ::-1]
        pixels = pixels.reshape(self.height_px, self.width_px, self.channels)
        values = self.entered(pixels).reshape(self.input["shape"])
        # What a recurrent model remembers of the picture before has no say in this one.
        self.interpreter.reset_all_variables()
        self.interpreter.set_tensor(self.input["index"], values)
        self.interpreter.invoke()
        raw = self.interpreter.get_tensor(self.output["index"]).ravel().astype(np.float64)
        scale, zero_point = self.output["quantization"]
        return self.scores((raw - zero_point) * scale if scale else raw)

    def entered(self, pixels: Array) -> Array:
        """What goes into the tensor for `pixels` of shape (height, width, channels)."""
        dtype = np.dtype(self.input["dtype"])
        told = [self.told.get("mean", []), self.told.get("std", [])]
        mean, std = told if any(told) else facts.metadata(self.model)
        given = bool(mean or std)
        normalised = (pixels - np.asarray(mean or [0.0])) / np.asarray(std or [1.0])
        if dtype.kind == "f":
            return (normalised if given else (pixels - 127.5) / 127.5).astype(dtype)
        scale, zero_point = self.input["quantization"]
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        plain = pixels.astype(np.int64) + low
        if not given:
            return plain.astype(dtype)
        # For every value of a pixel, of shape (256, channels): do mean and std fit the tensor?
        every = np.arange(256)[:, None] - np.asarray(mean or [0.0])
        steps = np.rint(every / np.asarray(std or [1.0]) / (scale or 1.0)) + zero_point
        inside = steps.min() >= low - 1 and steps.max() <= high + 1
        if not any(told) and not (inside and np.ptp(steps) >= SPAN * (high - low)):
            return plain.astype(dtype)
        quantised = np.rint(normalised / (scale or 1.0)) + zero_point
        clipped: Array = quantised.clip(low, high).astype(dtype)
        return clipped

    def scores(self, values: Array) -> Array:
        """Probabilities of the output's `values`; of a single one, that of the last label."""
        if self.logits and len(values) == 1:
            values = 1 / (1 + np.exp(-values))
        elif self.logits:
            exponents = np.exp(values - values.max())
            values = exponents / exponents.sum()
        if len(values) == 1 and self.labels == 2:
            values = np.array([1 - values[0], values[0]])
        if not np.isfinite(values).all():
            raise ValueError("scores are not finite")
        bounded: Array = values.clip(0, 1)
        return bounded

    def step(self, scores: Array) -> float:
        """How far one of `scores` moves with one step of a quantised output; 0 of a float one."""
        scale = float(self.output["quantization"][0])
        if not self.logits:
            return scale
        # A logit that is greater by `scale` has its odds multiplied so.
        odds = scores * np.exp([[scale], [-scale]])
        return float(abs(odds / (1 - scores + odds) - scores).max())

    def _are_logits(self) -> bool:
        told: str = self.told.get("scores", "auto")
        if told != "auto":
            return told == "logits"
        scale, zero_point = self.output["quantization"]
        lowest = scale and np.iinfo(self.output["dtype"]).min
        if (scale, zero_point) == (1 / 256, lowest):
            return False
        last = facts.last_operator(self.model, self.output["index"])
        return last not in ("SOFTMAX", "LOGISTIC")


if __name__ == "__main__":
    reference = Reference(Path(sys.argv[1]), {}, "ai_edge_litert.interpreter", xnnpack=True)
    for name in sys.argv[2:]:
        picture = upright(Path(name))
        found = reference.classify(
            resized(picture, reference.height_px, reference.width_px, "stretch")
        )
        print(name, [(int(i), round(float(found[i]), 4)) for i in found.argsort()[::-1][:5]])
