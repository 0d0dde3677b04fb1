"""Recognises models that are not image classifiers, by their inputs, outputs and operators.

A property that no image classifier has means a refusal. A weaker sign counts only without labels.
"""

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

_LEAST_BOXES = 100
_LANDMARKS = {63, 195, 213, 1404, 1434}
"""Values of the points of a hand, a body, an eye, a face, a face with irises, as in MediaPipe."""

_EMBEDDER = "an embedder, which gives a feature vector"
_SEGMENTER = "a segmenter, or a detector such as FOMO, which gives a map of the picture"

_LEAST_FEATURES = 576
"""Values of the shortest feature vector of the usual backbones, MobileNetV3-Small's."""


def refuse(file: ModelFile, kind: str) -> None:
    """Raise ModelError that `file` looks like `kind`, unless that is empty."""
    if kind:
        shapes = ", ".join("x".join(map(str, tensor.shape)) or "()" for tensor in file.outputs)
        taken = ", ".join("x".join(map(str, tensor.shape)) or "()" for tensor in file.inputs)
        could = not _by_input(file) and any(_is_list(tensor.shape) for tensor in file.outputs)
        raise ModelError(
            f"{file.path} looks like {kind} (input {taken}; output {shapes}): "
            f"give an image classifier{', or set model.labels if it is one' if could else ''}"
        )


def certain(file: ModelFile) -> str:
    """The kind of model, other than an image classifier, that `file` surely is; else empty."""
    return _by_input(file) or _by_operators(file) or _by_outputs(file)


def likely(file: ModelFile) -> str:
    """The kind that `file` probably is if it has no labels; else empty."""
    shapes = [tensor.shape for tensor in file.outputs]
    if not any(map(_is_list, shapes)):
        return "a model without a list of class scores"
    if len(shapes) > 1:
        landmarks = any(_is_list(shape) and shape[-1] in _LANDMARKS for shape in shapes)
        return "a landmark model" if landmarks else ""
    codes = {code for code, _ in file.producers.values()}
    maker = file.maker(file.outputs[0].index)
    normalised = maker in (_MUL, _DIV) and _SUM in codes and bool(codes & {_SQRT, _RSQRT})
    size = shapes[0][-1]
    pooled = (
        maker in (modelfile.MEAN, modelfile.AVERAGE_POOL_2D)
        and size >= _LEAST_FEATURES
        and size % 64 == 0
    )
    return _EMBEDDER if normalised or pooled else ""


def _by_input(file: ModelFile) -> str:
    if not file.inputs:
        return ""
    if any(tensor.type == _STRING for tensor in file.inputs) or all(
        tensor.type in (_INT32, _INT64) and len(tensor.shape) < 3 for tensor in file.inputs
    ):
        return "a text model"
    if any(len(tensor.shape) == 5 for tensor in file.inputs):
        return "a video model"
    if len(file.inputs) > 1:
        return f"a model with {len(file.inputs)} inputs"
    if 0 < len(file.inputs[0].shape) < 3:
        return "a model for sound or other rows of values"
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
    if len(file.outputs) == 1 and not file.label_files and _is_list(file.outputs[0].shape):
        return _EMBEDDER if file.maker(file.outputs[0].index) == modelfile.L2_NORMALIZATION else ""
    return ""


def _by_outputs(file: ModelFile) -> str:
    if len(file.inputs) != 1 or len(file.inputs[0].shape) not in (3, 4):
        return ""
    image, shapes = file.inputs[0].shape, [tensor.shape for tensor in file.outputs]
    lists = [shape for shape in shapes if _is_list(shape)]
    sizes = {shape[-1] for shape in lists}
    if len(shapes) > 2 and 1 in sizes and sizes & _LANDMARKS:
        return "a landmark model"
    if _has_boxes(shapes, lists):
        return "an object detector"
    # A map next to scores may show where the class is visible.
    return "" if lists else _by_maps(shapes, image, file)


def _has_boxes(shapes: Sequence[Shape], lists: Sequence[Shape]) -> bool:
    """Whether there are four values for each of many places, and scores for the same places."""
    for places in {shape[1] for shape in shapes if len(shape) == 3 and shape[2] == 4} - {1}:
        rows = sum(len(shape) == 3 and shape[1] == places for shape in shapes)
        scores = sum(shape[-1] == places for shape in lists)
        # Next to four scores it may be a square map of where the class is visible.
        if rows > 1 or scores > (places == 4):
            return True
    return False


def _by_maps(shapes: Sequence[Shape], image: Shape, file: ModelFile) -> str:
    """The kind of a model without any list of values."""
    maps = [shape for shape in shapes if len(shape) == 4 and min(shape[1:3]) > 1]
    if any(shape in ((1, 1, 17, 3), (1, 6, 56)) for shape in shapes):
        return "a pose estimator"
    rows = [shape for shape in shapes if len(shape) == 3 and shape[1:] != image[1:3]]
    places = [shape[1] for shape in rows if shape[1] >= _LEAST_BOXES]
    if len(set(places)) < len(places) or any(
        max(shape) >= max(_LEAST_BOXES, 2 * min(shape[1:])) and min(shape[1:]) >= 5
        for shape in rows
    ):
        return "an object detector"
    if len(maps) > 1:
        channels = {shape[3] for shape in maps if shape[1:3] == maps[0][1:3]}
        if any(2 * count in channels for count in channels if count > 2):
            return "a pose estimator"
        return "an object detector or another model that gives several maps of the picture"
    if maps and len(shapes) == 1:
        # A new picture has the size of the old one or a multiple of it.
        sizes = zip(maps[0][1:3], image[1:3], strict=True)
        enlarged = all(before > 0 and after % before == 0 for after, before in sizes)
        of_classes = file.maker(file.outputs[0].index) == modelfile.SOFTMAX
        if maps[0][3] == 3 and enlarged and not of_classes:
            return "a model that generates pictures"
        return _SEGMENTER
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1:] == image[1:3]:
        return _SEGMENTER
    return ""


def _is_list(shape: Shape) -> bool:
    return bool(shape) and set(shape[:-1]) <= {1}
