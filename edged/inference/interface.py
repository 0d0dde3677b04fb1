"""The interface of a model: the tensor of the picture and its form, and that of the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import tensors
from edged.inference.modelfile import LOGISTIC, SOFTMAX, ModelFile
from edged.inference.tensors import Tensor

_TYPES = ("uint8", "int8", "float32")

_GUESS = (
    "its input is float and nothing says how pixels are normalised, so -1..1 is a guess: set "
    "model.mean and model.std; `edged models calibrate` finds what fits"
)
_CUT_OFF = (
    "model.mean and model.std do not fit its integer input, whose range they leave or hardly use: "
    "without them the pixel goes in as it is"
)

_SMALL_STD = (
    "model.std is below 1, as for pixels of 0..1, but pixels are 0..255: multiply model.mean and "
    "model.std by 255"
)
_SMALL_STD_INSIDE = (
    "the metadata's std is below 1, as for pixels of 0..1, but pixels are 0..255: if the answers "
    "are wrong, set model.mean and model.std to 255 times those of the metadata"
)


class ImageInput(msgspec.Struct, frozen=True):
    """The one input: its tensor as (height, width, channels), and how a pixel becomes a value.

    ``table`` has a row for each channel of the tensor; ``blue_first`` is true where these are blue,
    green and red. ``plain`` is true where an RGB pixel needs no table: it is written into the
    tensor directly. ``normalised`` describes the source of the table, ``doubt`` what may be wrong
    with it; empty if nothing is.
    """

    tensor: Tensor
    height_px: int
    width_px: int
    channels: int
    table: tensors.Table
    blue_first: bool
    plain: bool
    normalised: str
    doubt: str

    @property
    def guessed(self) -> bool:
        """Whether neither the file nor the configuration defines the normalisation of pixels."""
        return self.doubt == _GUESS


class ScoresOutput(msgspec.Struct, frozen=True):
    """The output with one value per class, the second with a feature vector if there is one.

    ``known`` is false if neither the file nor the configuration defines the meaning of the values.
    An output of one value answers yes or no: with two labels it is the score of the second, and the
    first has the rest.
    """

    tensor: Tensor
    logits: bool
    known: bool
    features: Tensor | None

    @property
    def values(self) -> int:
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
    """The input for `tensor`; ModelError if it is not an image, or for a wrong normalisation."""
    match tensor.shape:
        case (1, height, width, (1 | 3) as channels):
            pass
        case (1, height, width):
            channels = 1
        case _:
            raise ModelError(
                f"{path}: input {tensor.name} of shape {_shape(tensor)} is not an image: "
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
    table, normalised, doubt = _normalisation(path, tensor, channels, file, model)
    blue_first = channels == 3 and model.channels == "bgr"
    if blue_first:
        table, normalised = table[::-1], f"{normalised}, blue first"
    plain = (
        channels == 3
        and not blue_first
        and tensor.dtype.kind != "f"
        and np.array_equal(table, tensors.plain_table(tensor, channels))
    )
    return ImageInput(
        tensor,
        height,
        width,
        channels,
        table,
        blue_first,
        plain,
        f"normalised by {normalised}",
        doubt,
    )


def _normalisation(
    path: Path, tensor: Tensor, channels: int, file: ModelFile, model: ModelConfig
) -> tuple[tensors.Table, str, str]:
    """The table of pixels; its source, and what may be wrong with it, as text. ModelError.

    A quantised model often has the float model's mean and std in its metadata. So they count for an
    integer tensor only if they fit it.
    """
    is_float = tensor.dtype.kind == "f"
    plain_table = tensors.plain_table(tensor, channels)
    if model.mean or model.std:
        try:
            fits = is_float or tensors.fills_range(tensor, channels, model.mean, model.std)
            table = tensors.table(tensor, channels, model.mean, model.std)
        except ValueError as error:
            raise ModelError(f"model.mean and model.std: {error}: correct them") from error
        doubt = _SMALL_STD if _is_of_one(model.std) else "" if fits else _CUT_OFF
        return table, "model.mean and model.std", doubt
    if not (file.mean or file.std):
        if is_float:
            return plain_table, "default to -1..1, a guess", _GUESS
        return plain_table, "default to plain pixels", ""
    try:
        if is_float or tensors.fills_range(tensor, channels, file.mean, file.std):
            table = tensors.table(tensor, channels, file.mean, file.std)
            if not is_float and tensors.same_but_for_rounding(table, plain_table):
                table = plain_table
            doubt = _SMALL_STD_INSIDE if is_float and _is_of_one(file.std) else ""
            return table, "the model's metadata", doubt
    except ValueError as error:
        if is_float:
            raise ModelError(f"{path}, metadata: {error}: set model.mean and model.std") from error
    return plain_table, "default to plain pixels, as the metadata's mean and std do not fit", ""


def _is_of_one(std: Sequence[float]) -> bool:
    return any(width < 1 for width in std)


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
    """Of several lists, the scores are the one with labels, or with the name or size of scores.

    ModelError if that is ambiguous.
    """

    def named(output: Tensor) -> bool:
        return "scores" in f"{output.name} {file.output_names.get(output.index, '')}".lower()

    left = candidates
    for fits in (
        lambda output: output.index in file.label_files,
        named,
        lambda output: output.shape[-1] == classes,
        lambda output: output.shape[-1] == 1 and classes == 2,
    ):
        left = [output for output in left if fits(output)] or left
    if len(left) > 1 or len(outputs) > 2:
        raise ModelError(
            f"{path} has {len(outputs)} outputs and is not known to be a classifier: "
            "give one with class scores only, or with scores and features under these names"
        )
    scores = left[0]
    features = next((output for output in candidates if output is not scores), None)
    logits = _are_logits(path, scores, file, model)
    return ScoresOutput(scores, logits is not False, logits is not None, features)


def _are_logits(path: Path, scores: Tensor, file: ModelFile, model: ModelConfig) -> bool | None:
    """None if unknown."""
    last = file.maker(scores.index)
    alone = math.prod(scores.shape) == 1
    if alone and last == SOFTMAX:
        raise ModelError(
            f"{path} ends in a softmax over one value, which is 1 for every picture: "
            "export it with a logistic (sigmoid) at its end"
        )
    if model.scores != "auto":
        return model.scores == "logits"
    if last in (SOFTMAX, LOGISTIC) or _in_probability_steps(scores):
        return False
    if alone:
        raise ModelError(
            f"{path} has one output value and does not say what it means: if it answers yes or "
            'no, set model.scores = "logits" (any number, above 0 for yes) or "probabilities" '
            "(0..1); a measure of something else is not a class score"
        )
    return None


def _in_probability_steps(tensor: Tensor) -> bool:
    """Whether the tensor is quantised for 0..1, as TFLite requires of softmax and logistic."""
    if tensor.dtype.kind == "f":
        return False
    return tensor.scale == 1 / 256 and tensor.zero_point == np.iinfo(tensor.dtype).min


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "()"
