"""The daemon's own path beside a reference that shares no code with it.

The reference is Pillow's whole decoding and antialiased resize in front of a bare interpreter:
LiteRT's, and TensorFlow's where that is installed (``make reference``). Both use XNNPACK, as the
daemon does: kernels that round in other places move a quantised network by tens of steps.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edged.config.schema import ModelConfig
from edged.core import Pixels
from edged.imaging.picture import read_picture
from edged.inference import tflite
from tests.evaluation import rewire

SAME_TOP1 = 0.99
SURE = 0.15
"""How far the best score must be ahead. Pixels may differ from Pillow's by one level, which turns
the answers that hang on a level."""
IMAGENET = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.5_160_quant",
    "mobilenet_v1_0.75_192_quant",
    "mobilenet_v2_1.0_224_quant",
    "tf2_mobilenet_v2_1.0_224_ptq",
)
PTQ = IMAGENET[-1]


class Reference:
    """A bare interpreter, and the arithmetic of its borders written out once more."""

    def __init__(self, interpreter: Any, path: Path) -> None:
        self._interpreter = interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        [self._input] = self._interpreter.get_input_details()
        self._output = self._interpreter.get_output_details()[0]
        _, self.height_px, self.width_px, _ = self._input["shape"]

    def pixels(self, path: Path) -> Pixels:
        size_px = (self.width_px, self.height_px)
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize(size_px, Image.Resampling.BILINEAR))

    def scores(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        values: npt.NDArray[Any] = pixels.astype(np.float64)
        if self._input["dtype"] == np.int8:
            values = values - 128
        elif self._input["dtype"] == np.float32:
            values = (values - 127.5) / 127.5
        self._interpreter.set_tensor(
            self._input["index"], values.astype(self._input["dtype"])[None]
        )
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._output["index"]).ravel().astype(np.float64)
        scale, zero_point = self._output["quantization"]
        return (raw - zero_point) * scale if scale else raw


def litert() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    reason = "TensorFlow is not installed; make reference installs it and runs this"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("tensorflow", reason=reason)

    def interpreter(**options: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module.lite.Interpreter(**options)

    return interpreter


def pictures(shared_data: Path, step: int = 1) -> list[Path]:
    folder = shared_data / "imagenet-sample"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        return [folder / row["file"] for row in csv.DictReader(file)][::step]


class Compared(NamedTuple):
    """The share with the same top-1 of the pictures that the reference is sure of, and how far
    scores lie apart at most.

    Distances are in quanta of 1/256, the step of a quantised softmax.
    """

    same_top1: float
    quanta: float
    quanta_of_same_input: float


def compare(shared_data: Path, path: Path, interpreter: Any, step: int = 1) -> Compared:
    labels = str(shared_data / "labels/imagenet_labels.txt")
    classifier = tflite.load(ModelConfig(path=str(path), labels=labels, threads=1))
    reference = Reference(interpreter, path)
    wanted_px = classifier.input_px
    same, apart, apart_of_same_input = [], [], []
    for picture in pictures(shared_data, step):
        pixels = reference.pixels(picture)
        expected = reference.scores(pixels)
        whole = classifier.classify(read_picture(picture, wanted_px)).scores
        second, first = np.partition(expected, -2)[-2:]
        if first - second >= SURE:
            same.append(int(whole.argmax()) == int(expected.argmax()))
        apart.append(float(np.abs(whole - expected).max() * 256))
        of_same_input = classifier.classify(pixels).scores
        apart_of_same_input.append(float(np.abs(of_same_input - expected).max() * 256))
    found = Compared(float(np.mean(same)), max(apart), max(apart_of_same_input))
    print(f"{path.stem}, sure of {len(same)} of {len(apart)} pictures: {found}")
    return found


def borders(shared_data: Path, dtype: str, folder: Path) -> Path:
    """The int8 ImageNet classifier with inputs and outputs of `dtype`."""
    source = shared_data / "models" / f"{PTQ}.tflite"
    if dtype == "uint8":
        return source
    rewired = {"int8": rewire.int8, "float32": rewire.float32}[dtype]
    return rewired(source, folder / f"{dtype}.tflite")


@pytest.mark.parametrize("interpreter", [litert, tensorflow])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_the_same_input_gives_the_same_scores_for_every_type(
    shared_data: Path, tmp_path: Path, dtype: str, interpreter: Callable[[], Any]
) -> None:
    found = compare(shared_data, borders(shared_data, dtype, tmp_path), interpreter(), step=10)
    assert found.quanta_of_same_input <= 1.0


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_the_daemons_path_is_the_references_for_every_type(
    shared_data: Path, tmp_path: Path, dtype: str
) -> None:
    found = compare(shared_data, borders(shared_data, dtype, tmp_path), litert(), step=5)
    assert found.same_top1 >= SAME_TOP1


def test_the_daemons_path_is_the_references_on_every_picture(shared_data: Path) -> None:
    # The hardest: its answers are the least certain, and half of a picture is nearly its input.
    found = compare(shared_data, shared_data / "models" / f"{IMAGENET[0]}.tflite", litert())
    assert found.same_top1 >= SAME_TOP1


@pytest.mark.parametrize("name", IMAGENET)
def test_the_daemons_path_is_tensorflows(shared_data: Path, name: str) -> None:
    found = compare(shared_data, shared_data / "models" / f"{name}.tflite", tensorflow())
    assert found.quanta_of_same_input <= 1.0
    assert found.same_top1 >= SAME_TOP1


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_daemons_path_is_tensorflows_for_other_types(
    shared_data: Path, tmp_path: Path, dtype: str
) -> None:
    found = compare(shared_data, borders(shared_data, dtype, tmp_path), tensorflow())
    assert found.quanta_of_same_input <= 1.0
    assert found.same_top1 >= SAME_TOP1
