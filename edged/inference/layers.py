"""Inner tensors of a model, made readable: its features and its activation maps.

TensorFlow Lite keeps an inner tensor only until the next layer has read it. One that the graph
lists as an output is kept, so a new list of outputs is appended to the file's content and the
graph refers to it; every other byte stays as it is, and so do the scores.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence

import msgspec

from edged.inference.flatbuffer import Bytes, DamagedError, Table, root
from edged.inference.modelfile import (
    CONV_2D,
    DEQUANTIZE,
    FULLY_CONNECTED,
    LOGISTIC,
    QUANTIZE,
    RESHAPE,
    SOFTMAX,
    SQUEEZE,
    checked,
    operator_codes,
)

_OUTPUTS = 2
"""The field of a SubGraph; the numbers of all fields are those of schema.fbs."""

_BEHIND_THE_HEAD = {SOFTMAX, LOGISTIC, RESHAPE, SQUEEZE, QUANTIZE, DEQUANTIZE}
_HEADS = {FULLY_CONNECTED, CONV_2D}

_ADD, _CONCATENATION, _DEPTHWISE_CONV_2D, _MUL, _RELU, _RELU6, _HARD_SWISH = (
    0,
    2,
    4,
    18,
    19,
    21,
    117,
)
_MAKE_MAPS = {_ADD, _CONCATENATION, CONV_2D, _DEPTHWISE_CONV_2D, _MUL, _RELU, _RELU6, _HARD_SWISH}

_TYPES = {0, 3, 9}
"""FLOAT32, UINT8 and INT8 of TensorType."""


class Map(msgspec.Struct, frozen=True):
    """An activation map: a tensor of shape (1, height, width, channels), more than one position."""

    tensor: int
    shape: tuple[int, int, int]
    """Height, width and channels."""


class Layers(msgspec.Struct, frozen=True):
    """What a classifier computes on its way to the scores; tensors by their index in the graph.

    ``features`` is the list that its last layer with weights makes the class scores from, None
    where there is no such layer; ``weights`` and ``bias`` are that layer's, -1 for no bias.
    ``maps`` come in the order in which they are computed.
    """

    features: int | None
    weights: int
    bias: int
    maps: tuple[Map, ...]


class Constant(msgspec.Struct, frozen=True):
    """The bytes of a stored tensor, its shape, and its number of TensorType.

    A quantised one has a scale and a zero point, or one of each for each row; others have none.
    """

    content: Bytes
    shape: tuple[int, ...]
    type: int
    scales: tuple[float, ...]
    zero_points: tuple[float, ...]


def find(data: Bytes) -> Layers:
    """The layers of a model that `modelfile.read` accepts."""
    model = root(data, b"TFL3")
    graph = next(model.tables(2))
    codes = operator_codes(model)
    operators = [
        (codes[operator.number(0, "I")], operator.integers(1), operator.integers(2))
        for operator in graph.tables(3)
    ]
    tensors = list(graph.tables(0))
    makers = {made: (code, inputs) for code, inputs, outputs in operators for made in outputs}
    heads = {
        head
        for scores in graph.integers(_OUTPUTS)
        if (head := _head(scores, makers, tensors)) is not None
    }
    features, weights, bias = heads.pop() if len(heads) == 1 else (None, -1, -1)
    return Layers(features, weights, bias, tuple(_maps(operators, tensors)))


def constant(data: Bytes, tensor: int) -> Constant:
    """A tensor whose values the file holds, such as the weights of the head. DamagedError.

    Its content is a view of `data` if that is one.
    """
    model = root(data, b"TFL3")
    stored = list(next(model.tables(2)).tables(0))[tensor]
    buffers = list(model.tables(4))
    place = stored.number(2, "I")
    if place >= len(buffers):
        raise DamagedError("a tensor refers to a buffer that is not there")
    quantised = stored.table(4)
    return Constant(
        buffers[place].raw(0),
        stored.integers(0),
        stored.number(1, "b"),
        quantised.numbers(2, "f") if quantised is not None else (),
        quantised.numbers(3, "q") if quantised is not None else (),
    )


def expose(data: bytes, wanted: Collection[int]) -> bytes:
    """The content of a model with the tensors `wanted` among its outputs, behind those it has.

    DamagedError if that breaks it: in a file made to do harm, fields may share their bytes.
    """
    graph = next(root(data, b"TFL3").tables(2))
    outputs = graph.integers(_OUTPUTS)
    added = [tensor for tensor in dict.fromkeys(wanted) if tensor not in outputs]
    if not added:
        return data
    slot = graph.position(_OUTPUTS)
    listed = (*outputs, *added)
    padding = bytes(-len(data) % 4)
    told = struct.pack("<I", len(data) + len(padding) - slot)
    vector = struct.pack(f"<I{len(listed)}i", len(listed), *listed)
    # Copied once: a model has megabytes.
    view = memoryview(data)
    exposed = b"".join((view[:slot], told, view[slot + len(told) :], padding, vector))
    if checked(memoryview(exposed))[1].integers(_OUTPUTS) != listed:
        raise DamagedError("its list of outputs is part of something else")
    return exposed


def _head(
    scores: int, makers: dict[int, tuple[int, tuple[int, ...]]], tensors: Sequence[Table]
) -> tuple[int, int, int] | None:
    """Features, weights and bias of the layer that makes `scores`."""
    tensor = scores
    for _ in makers:
        code, inputs = makers.get(tensor, (-1, ()))
        if not inputs or inputs[0] < 0:
            return None
        tensor = inputs[0]
        if code in _HEADS:
            # A constant is no feature of the picture.
            if tensor not in makers or not _is_list(tensors[tensor].integers(0)):
                return None
            weights, bias = (*inputs[1:3], -1, -1)[:2]
            return tensor, weights, bias
        if code not in _BEHIND_THE_HEAD:
            return None
    return None


def _maps(
    operators: Sequence[tuple[int, tuple[int, ...], tuple[int, ...]]], tensors: Sequence[Table]
) -> Iterator[Map]:
    for code, _, outputs in operators:
        for tensor in outputs if code in _MAKE_MAPS else ():
            match tensors[tensor].integers(0):
                case (1, height, width, channels) if height * width > 1 and channels > 0:
                    if tensors[tensor].number(1, "b") in _TYPES:
                        yield Map(tensor, (height, width, channels))


def _is_list(shape: Sequence[int]) -> bool:
    return len(shape) in (2, 4) and shape[-1] > 1 and set(shape[:-1]) == {1}
