"""The interface of a model: which tensor takes the picture and how, which gives the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import tensors
from edged.inference.modelfile import ModelFile
from edged.inference.tensors import Tensor

_TYPES = ("uint8", "int8", "float32")


class ImageInput(msgspec.Struct, frozen=True):
    """The one input: its tensor as (height, width, channels), and how a pixel becomes a value.

    ``plain`` is true where an RGB pixel needs no table: it is written into the tensor itself.
    ``normalised`` says in words where the table comes from.
    """

    tensor: Tensor
    height_px: int
    width_px: int
    channels: int
    table: tensors.Table
    plain: bool
    normalised: str


class ScoresOutput(msgspec.Struct, frozen=True):
    """The output with one value per class, the second with a feature vector if there is one."""

    tensor: Tensor
    logits: bool
    features: Tensor | None

    @property
    def classes(self) -> int:
        return math.prod(self.tensor.shape)


def tensors_of(path: Path, details: list[Mapping[str, Any]]) -> list[Tensor]:
    """The inputs or the outputs of the model at `path`, from the runtime's details."""
    for entry in details:
        if len(entry["quantization_parameters"]["scales"]) > 1:
            raise ModelError(
                f"{path}: {entry['name']} has a scale for each channel: "
                "export the model with inputs and outputs quantised as a whole"
            )
    return [Tensor.of(entry) for entry in details]


def image_input(path: Path, tensor: Tensor, file: ModelFile, model: ModelConfig) -> ImageInput:
    """What `tensor` wants; ModelError if it takes no image, or the normalisation is impossible."""
    match tensor.shape:
        case (1, height, width, (1 | 3) as channels):
            pass
        case (1, height, width):
            channels = 1
        case _:
            raise ModelError(
                f"{path}: input {tensor.name} of shape {_shape(tensor)} is no image: "
                "give a model that takes 1 x height x width x 3 (RGB) or 1 (grey)"
            )
    if height < 1 or width < 1:
        raise ModelError(
            f"{path}: input {tensor.name} of shape {_shape(tensor)} has no fixed size: "
            "export the model with one"
        )
    if tensor.dtype.name not in _TYPES:
        raise ModelError(
            f"{path}: input {tensor.name} is {tensor.dtype.name}: "
            f"export the model with one of {', '.join(_TYPES)}"
        )
    plain_table = tensors.plain_table(tensor, channels)
    try:
        if model.mean or model.std:
            where = normalised = "model.mean and model.std"
            table = tensors.table(tensor, channels, model.mean, model.std)
        elif file.mean or file.std:
            where, normalised = f"{path}, metadata", "the model's metadata"
            table = tensors.table(tensor, channels, file.mean, file.std)
            if tensor.dtype.kind != "f" and tensors.same_but_for_rounding(table, plain_table):
                table = plain_table
        elif tensor.dtype.kind == "f":
            normalised = "default to -1..1, as nothing else is set (model.mean and model.std)"
            table = plain_table
        else:
            normalised = "default to plain pixels"
            table = plain_table
    except ValueError as error:
        raise ModelError(f"{where}: {error}: set model.mean and model.std") from error
    plain = channels == 3 and tensor.dtype.kind != "f" and np.array_equal(table, plain_table)
    return ImageInput(tensor, height, width, channels, table, plain, f"normalised by {normalised}")


def score_lists(path: Path, outputs: list[Tensor]) -> list[Tensor]:
    """The outputs that could be scores or features: 1 x n or 1 x 1 x 1 x n of a known type.

    ModelError if there is none.
    """
    found = [
        output
        for output in outputs
        if output.shape
        and output.shape[-1] > 0
        and math.prod(output.shape) == output.shape[-1]
        and output.dtype.name in _TYPES
    ]
    if not found:
        shapes = ", ".join(f"{_shape(output)} {output.dtype.name}" for output in outputs)
        raise ModelError(
            f"{path}: none of its {len(outputs)} outputs ({shapes}) is a list of class scores: "
            "give an image classifier"
        )
    return found


def scores_output(
    path: Path,
    outputs: list[Tensor],
    candidates: list[Tensor],
    file: ModelFile,
    classes: int,
    model: ModelConfig,
) -> ScoresOutput:
    """Of several lists the scores are those that have labels, the name or the size of scores.

    ModelError if that leaves it open.
    """

    def named(output: Tensor) -> bool:
        return "scores" in f"{output.name} {file.output_names.get(output.index, '')}".lower()

    left = candidates
    for fits in (
        lambda output: output.index in file.label_files,
        named,
        lambda output: output.shape[-1] == classes,
    ):
        left = [output for output in left if fits(output)] or left
    if len(left) > 1 or len(outputs) > 2:
        raise ModelError(
            f"{path} has {len(outputs)} outputs and is not known to be a classifier: "
            "give one with class scores only, or with scores and features under these names"
        )
    scores = left[0]
    features = next((output for output in candidates if output is not scores), None)
    if model.scores == "auto":
        logits = not (file.ends_in_probabilities(scores.index) or _in_probability_steps(scores))
    else:
        logits = model.scores == "logits"
    return ScoresOutput(scores, logits, features)


def _in_probability_steps(tensor: Tensor) -> bool:
    """Whether the tensor is quantised for 0..1, as TFLite requires of softmax and logistic."""
    if tensor.dtype.kind == "f":
        return False
    return tensor.scale == 1 / 256 and tensor.zero_point == np.iinfo(tensor.dtype).min


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "()"
