"""A model's features made an output: what its last layer makes the class scores from.

TensorFlow Lite keeps inner tensors only until the next layer has read them. One that the graph
lists as an output is kept, so a new list of outputs is appended to the file's content and the
graph told of it; every other byte stays as it is, and so do the scores.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edged.inference.flatbuffer import Table, root
from edged.inference.modelfile import (
    CONV_2D,
    DEQUANTIZE,
    FULLY_CONNECTED,
    LOGISTIC,
    QUANTIZE,
    RESHAPE,
    SOFTMAX,
    SQUEEZE,
    operator_codes,
)

_OUTPUTS = 2
"""The field of a SubGraph; the numbers of all fields are those of schema.fbs."""

_BEHIND_THE_HEAD = {SOFTMAX, LOGISTIC, RESHAPE, SQUEEZE, QUANTIZE, DEQUANTIZE}
_HEADS = {FULLY_CONNECTED, CONV_2D}


def with_features(data: bytes) -> bytes:
    """The content of a model that `modelfile.read` accepts, with its features as a second output.

    They are the input of the layer that makes the scores, if that is a list: 1 x n or
    1 x 1 x 1 x n. The same content where the model has several outputs, or no such layer.
    """
    graph = next(root(data, b"TFL3").tables(2))
    outputs = graph.integers(_OUTPUTS)
    features = _features(root(data, b"TFL3"), graph, outputs[0]) if len(outputs) == 1 else None
    if features is None:
        return data
    padded = data + bytes(-len(data) % 4)
    slot = graph.position(_OUTPUTS)
    added = struct.pack("<3I", 2, outputs[0], features)
    told = struct.pack("<I", len(padded) - slot)
    return padded[:slot] + told + padded[slot + len(told) :] + added


def _features(model: Table, graph: Table, scores: int) -> int | None:
    codes = operator_codes(model)
    makers = {
        tensor: (codes[operator.number(0, "I")], operator.integers(1))
        for operator in graph.tables(3)
        for tensor in operator.integers(2)
    }
    tensor, tensors = scores, list(graph.tables(0))
    for _ in makers:
        code, inputs = makers.get(tensor, (-1, ()))
        if not inputs or inputs[0] < 0:
            return None
        tensor = inputs[0]
        if code in _HEADS:
            # A constant is no feature of the picture.
            return tensor if tensor in makers and _is_list(tensors[tensor].integers(0)) else None
        if code not in _BEHIND_THE_HEAD:
            return None
    return None


def _is_list(shape: Sequence[int]) -> bool:
    return len(shape) in (2, 4) and shape[-1] > 1 and set(shape[:-1]) == {1}
