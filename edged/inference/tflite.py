"""The classifier: one TensorFlow Lite model under whichever runtime is installed.

`load` finds out everything about the model once (file, runtime, tensors, labels, normalisation)
and refuses what is no image classifier; `TfliteClassifier.classify` then only moves numbers.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edged import paths
from edged.config.schema import ModelConfig
from edged.core import Pixels, Prediction, Scores
from edged.errors import ModelError
from edged.imaging.resample import resample
from edged.inference import labels as label_files
from edged.inference import modelfile, runtimes, tensors
from edged.inference.modelfile import ModelFile
from edged.inference.tensors import Tensor

logger = logging.getLogger(__name__)

_TYPES = ("uint8", "int8", "float32")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The one input: its tensor as (height, width, channels), and how a pixel becomes a value.

    ``plain`` is true where an RGB pixel needs no table: it is written into the tensor itself.
    """

    tensor: Tensor
    height_px: int
    width_px: int
    channels: int
    table: tensors.Table
    plain: bool


@dataclass(frozen=True, slots=True)
class ScoresOutput:
    """The output with one value per class, the second with a feature vector if there is one."""

    tensor: Tensor
    logits: bool
    features: Tensor | None


def load(model: ModelConfig, fit: Literal["stretch", "crop"] = "stretch") -> TfliteClassifier:
    """The classifier that `model` describes; the bundled one where it names no path.

    `fit` says how a picture of another aspect comes into the input: stretched, or cropped to the
    middle. ModelError, one line, if anything about the model or its labels is unfit.
    """
    path = Path(model.path) if model.path else paths.bundled_model()
    file = modelfile.read(path)
    runtime = runtimes.choose(model.runtime)
    threads = model.threads or runtimes.default_threads()
    interpreter = runtimes.open_interpreter(runtime, path, model, threads)
    inputs = _tensors(path, interpreter.get_input_details())
    outputs = _tensors(path, interpreter.get_output_details())
    if len(inputs) != 1:
        raise ModelError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: "
            "give an image classifier, with one image as input and one list of scores as output"
        )
    image = _image_input(path, inputs[0], file, model)
    candidates = _lists(path, outputs)
    labels, source = _labels(file, model)
    scores = _scores_output(path, outputs, candidates, file, len(labels), model)
    _check_count(path, math.prod(scores.tensor.shape), source, len(labels))
    classifier = TfliteClassifier(path, interpreter, image, scores, labels, fit)
    classifier.runtime = runtime.title
    classifier.threads = threads
    classifier.delegated = runtimes.delegated_share(interpreter)
    share = "unknown" if classifier.delegated is None else f"{classifier.delegated:.0%}"
    logger.info(
        "model %s: %s, threads: %d, delegated operators: %s; input %dx%d %s %s; "
        "%d classes from %s, outputs are %s",
        path,
        runtime.title,
        threads,
        share,
        image.width_px,
        image.height_px,
        "RGB" if image.channels == 3 else "grey",
        _described(image, file, model),
        len(labels),
        source,
        "logits" if scores.logits else "probabilities",
    )
    return classifier


class TfliteClassifier:
    """A loaded model; `load` makes it. One thread only: the one that calls it first.

    ``runtime`` is title and version, ``delegated`` the share of operators that XNNPACK or another
    delegate runs (None if the runtime does not tell). Buffers are made once: `classify` allocates
    the scores that it returns and nothing else of a picture's size.
    """

    runtime: str
    threads: int
    delegated: float | None

    def __init__(
        self,
        path: Path,
        interpreter: Any,
        image: ImageInput,
        scores: ScoresOutput,
        labels: tuple[str, ...],
        fit: Literal["stretch", "crop"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.name = path.stem
        self.labels = labels
        self.input_height_px = image.height_px
        self.input_width_px = image.width_px
        self._interpreter = interpreter
        self._image = image
        self._scores = scores
        self._crop = fit == "crop"
        self._clock = clock
        shape = (image.height_px, image.width_px)
        if not image.plain:
            self._rgb: Pixels = np.empty((*shape, 3), np.uint8)
            self._indices: npt.NDArray[np.intp] = np.empty((*shape, image.channels), np.intp)

    def classify(self, pixels: Pixels) -> Prediction:
        """The scores of `pixels`; stages are resize, tensor, invoke and scores.

        ModelError if the runtime fails in the middle of the model.
        """
        began_s = self._clock()
        self._resize(pixels)
        resized_s = self._clock()
        self._fill()
        filled_s = self._clock()
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{self.path}: {self.runtime} failed to run it ({runtimes.one_line(error)}): "
                "export it again, or try another model.runtime"
            ) from error
        invoked_s = self._clock()
        scores = self._read(self._scores.tensor)
        if self._scores.logits:
            tensors.softmax(scores)
        tensors.bound(scores)
        stages_s = {
            "resize": resized_s - began_s,
            "tensor": filled_s - resized_s,
            "invoke": invoked_s - filled_s,
            "scores": self._clock() - invoked_s,
        }
        return Prediction(scores, self.labels, stages_s)

    def features(self) -> npt.NDArray[np.float32] | None:
        """The feature vector of the picture classified last, a copy of shape (features,).

        None if the model has no second output.
        """
        return None if self._scores.features is None else self._read(self._scores.features)

    def close(self) -> None:
        self._interpreter = None

    def _view(self, tensor: Tensor) -> npt.NDArray[Any]:
        """The tensor's own memory. Must be let go before the next invoke, which else refuses."""
        view: npt.NDArray[Any] = self._interpreter.tensor(tensor.index)()
        return view

    def _picture(self) -> npt.NDArray[Any]:
        image = self._image
        return self._view(image.tensor).reshape(image.height_px, image.width_px, image.channels)

    def _resize(self, pixels: Pixels) -> None:
        if self._crop:
            pixels = tensors.centre(pixels, self.input_height_px, self.input_width_px)
        resample(pixels, self._picture().view(np.uint8) if self._image.plain else self._rgb)

    def _fill(self) -> None:
        image = self._image
        if not image.plain:
            if image.channels == 1:
                tensors.luma(self._rgb, self._indices[..., 0])
            else:
                self._indices[...] = self._rgb
            tensors.look_up(image.table, self._indices, self._picture())
        elif image.tensor.dtype == np.int8:
            # Turning the highest bit is the pixel minus 128, in place.
            picture = self._picture().view(np.uint8)
            np.bitwise_xor(picture, 0x80, out=picture)

    def _read(self, tensor: Tensor) -> Scores:
        values = self._view(tensor).reshape(-1)
        return tensors.dequantise(values, tensor.scale, tensor.zero_point)


def _tensors(path: Path, details: list[Mapping[str, Any]]) -> list[Tensor]:
    for entry in details:
        if len(entry["quantization_parameters"]["scales"]) > 1:
            raise ModelError(
                f"{path}: {entry['name']} has a scale for each channel: "
                "export the model with inputs and outputs quantised as a whole"
            )
    return [Tensor.of(entry) for entry in details]


def _image_input(path: Path, tensor: Tensor, file: ModelFile, model: ModelConfig) -> ImageInput:
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
            where = "model.mean and model.std"
            table = tensors.table(tensor, channels, model.mean, model.std)
        elif file.mean or file.std:
            where = f"{path}, metadata"
            table = tensors.table(tensor, channels, file.mean, file.std)
            if tensor.dtype.kind != "f" and tensors.same_but_for_rounding(table, plain_table):
                table = plain_table
        else:
            table = plain_table
    except ValueError as error:
        raise ModelError(f"{where}: {error}: set model.mean and model.std") from error
    plain = channels == 3 and tensor.dtype.kind != "f" and np.array_equal(table, plain_table)
    return ImageInput(tensor, height, width, channels, table, plain)


def _lists(path: Path, outputs: list[Tensor]) -> list[Tensor]:
    """The outputs that could be scores or features: 1 x n or 1 x 1 x 1 x n of a known type."""
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


def _scores_output(
    path: Path,
    outputs: list[Tensor],
    candidates: list[Tensor],
    file: ModelFile,
    classes: int,
    model: ModelConfig,
) -> ScoresOutput:
    """Of several lists the scores are those that have labels, the name or the size of scores."""

    def named(output: Tensor) -> bool:
        return "scores" in (file.output_names.get(output.index) or output.name).lower()

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


def _labels(file: ModelFile, model: ModelConfig) -> tuple[tuple[str, ...], str]:
    """The labels and where they come from."""
    if model.labels:
        return label_files.load(Path(model.labels)), model.labels
    for name in file.label_files.values():
        content = modelfile.packed(file.path, name, label_files.MAX_BYTES)
        if content is not None:
            source = f"{file.path}:{name}"
            return label_files.parse(content, source), source
    beside = file.path.with_suffix(".txt"), file.path.with_name("labels.txt")
    for path in beside:
        if path.exists():
            return label_files.load(path), str(path)
    raise ModelError(
        f"{file.path} has no labels in it, and neither {beside[0].name} nor labels.txt beside it: "
        "set model.labels"
    )


def _check_count(path: Path, outputs: int, source: str, count: int) -> None:
    if count == outputs:
        return
    advice = "set model.labels to the list that was made for this model"
    if count == outputs - 1:
        advice = (
            f"if the model's first class is background, add it as the first line, else {advice}"
        )
    elif count == outputs + 1:
        advice = f"if the first label is background, remove its line, else {advice}"
    raise ModelError(f"{path} has {outputs} outputs, {source} has {count} labels: {advice}")


def _described(image: ImageInput, file: ModelFile, model: ModelConfig) -> str:
    """How pixels are normalised, for the log."""
    if model.mean or model.std:
        how = "normalised by model.mean and model.std"
    elif file.mean or file.std:
        how = "normalised by the model's metadata"
    elif image.tensor.dtype.kind == "f":
        how = "normalised to -1..1 (nothing says otherwise; model.mean and model.std do)"
    else:
        how = "of plain pixels"
    return f"{image.tensor.dtype.name} {how}"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "()"
