"""What a model that is no image classifier looks like, by its inputs, outputs and operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from edged.errors import ModelError
from edged.inference import modelfile
from edged.inference.modelfile import ModelFile

Shape: TypeAlias = tuple[int, ...]

_INT32, _INT64, _STRING = 2, 4, 5
"""Numbers of types in schema.fbs."""

_MUL, _DIV, _SUM, _SQRT, _RSQRT = 18, 42, 74, 75, 76

_LEAST_SOUND = 1000
"""Values of a row that is taken for sound: a sixteenth of a second at 16 kHz."""

_LEAST_BOXES = 100
_LANDMARKS = {63, 195, 213, 1404, 1434}
"""Values of the points of a hand, a body, an eye, a face, a face with irises, as in MediaPipe."""

_SEGMENTER = "a segmenter or another model that gives a map of the picture"

_LEAST_FEATURES = 576
"""Values of the shortest feature vector of the usual backbones, MobileNetV3-Small's."""


def refuse_others(file: ModelFile) -> None:
    """ModelError if `file` looks like a known kind of model that is no image classifier."""
    kind = _by_input(file) or _by_operators(file) or _by_outputs(file)
    if kind:
        shapes = ", ".join("x".join(map(str, tensor.shape)) or "()" for tensor in file.outputs)
        taken = ", ".join("x".join(map(str, tensor.shape)) or "()" for tensor in file.inputs)
        raise ModelError(
            f"{file.path} looks like {kind} (input {taken}; output {shapes}): "
            "give an image classifier"
        )


def _by_input(file: ModelFile) -> str:
    if not file.inputs:
        return ""
    if any(tensor.type == _STRING for tensor in file.inputs) or all(
        tensor.type in (_INT32, _INT64) and len(tensor.shape) < 3 for tensor in file.inputs
    ):
        return "a text model"
    if any(len(tensor.shape) == 5 for tensor in file.inputs):
        return "a video model"
    row = file.inputs[0].shape
    if len(file.inputs) == 1 and (len(row) == 1 or (len(row) == 2 and row[-1] >= _LEAST_SOUND)):
        return "a model of sound or other rows of values"
    return ""


def _by_operators(file: ModelFile) -> str:
    codes = {code for code, _ in file.producers.values()}
    names = [name.lower().replace("_", "") for name in file.custom_operators]
    if codes & {modelfile.NON_MAX_SUPPRESSION_V4, modelfile.NON_MAX_SUPPRESSION_V5} or any(
        word in name for name in names for word in ("detectionpostprocess", "nonmaxsuppression")
    ):
        return "an object detector"
    if any("posenet" in name for name in names):
        return "a pose estimator"
    if len(file.outputs) != 1 or not _is_list(file.outputs[0].shape):
        return ""
    maker = file.maker(file.outputs[0].index)
    normalised = maker in (_MUL, _DIV) and _SUM in codes and bool(codes & {_SQRT, _RSQRT})
    size = file.outputs[0].shape[-1]
    # Some classifiers end in the mean of a map for each class; few have such a number of classes.
    pooled = (
        maker in (modelfile.MEAN, modelfile.AVERAGE_POOL_2D)
        and size >= _LEAST_FEATURES
        and size % 64 == 0
        and not file.label_files
    )
    if maker == modelfile.L2_NORMALIZATION or normalised or pooled:
        return "an embedder, which gives a feature vector"
    return ""


def _by_outputs(file: ModelFile) -> str:
    if len(file.inputs) != 1 or len(file.inputs[0].shape) not in (3, 4):
        return ""
    shapes = [tensor.shape for tensor in file.outputs]
    maps = [shape for shape in shapes if len(shape) == 4 and shape[1] * shape[2] > 1]
    if any(shape in ((1, 1, 17, 3), (1, 6, 56)) for shape in shapes):
        return "a pose estimator"
    if len(shapes) > 1 and any(_is_list(shape) and shape[-1] in _LANDMARKS for shape in shapes):
        return "a landmark model"
    if _has_boxes(shapes, file.inputs[0].shape):
        return "an object detector"
    if len(maps) > 1:
        channels = {shape[3] for shape in maps if shape[1:3] == maps[0][1:3]}
        if any(2 * count in channels for count in channels if count > 2):
            return "a pose estimator"
        return "an object detector or another model that gives several maps of the picture"
    if maps and len(shapes) == 1:
        return "a model that makes pictures" if maps[0][3] == 3 else _SEGMENTER
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1:] == file.inputs[0].shape[1:3]:
        return _SEGMENTER
    return ""


def _has_boxes(shapes: Sequence[Shape], image: Shape) -> bool:
    """Whether there is a row of values for each of many places in the picture."""
    rows = [shape for shape in shapes if len(shape) == 3 and shape[1:] != image[1:3]]
    if any(shape[1] > 1 and shape[2] == 4 for shape in rows) and len(shapes) > 1:
        return True
    places = [shape[1] for shape in rows if shape[1] >= _LEAST_BOXES]
    if len(set(places)) < len(places):
        return True
    return any(
        max(shape[1:]) >= max(_LEAST_BOXES, 4 * min(shape[1:])) and min(shape[1:]) >= 5
        for shape in rows
    )


def _is_list(shape: Shape) -> bool:
    return bool(shape) and set(shape[:-1]) <= {1}
