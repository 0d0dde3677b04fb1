"""Writes tiny .tflite models whose answers can be worked out by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

QUANTISED = {"uint8": (1 / 255, 0), "int8": (1 / 255, -128), "float32": (0.0, 0)}
"""Scale and zero point with which values 0..1 fill the type."""

PROBABILITY = {"uint8": (1 / 256, 0), "int8": (1 / 256, -128), "float32": (0.0, 0)}


class Model:
    """Tensors and operators, added one by one, then written to a file."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[tuple[int, str]] = []
        self._buffers: list[bytes] = [b""]

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        quantised: tuple[float, int] = (0.0, 0),
        data: bytes = b"",
        name: str = "",
    ) -> int:
        quantization = schema.QuantizationParametersT()
        if quantised[0]:
            quantization.scale, quantization.zeroPoint = [quantised[0]], [quantised[1]]
        tensor = schema.TensorT()
        tensor.shape = [abs(size) for size in shape]
        tensor.shapeSignature = list(shape) if min(shape, default=1) < 0 else None
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.buffer = self._buffer(data) if data else 0
        tensor.name = name or f"tensor{len(self._tensors)}"
        tensor.quantization = quantization
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _buffer(self, data: bytes) -> int:
        self._buffers.append(data)
        return len(self._buffers) - 1

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        **options: Any,
    ) -> None:
        code = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        key = (code, "" if code != schema.BuiltinOperator.CUSTOM else name)
        if key not in self._codes:
            self._codes.append(key)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(key)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        kind = options.pop("kind", "")
        if kind:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, kind + "T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self._operators.append(operator)

    def softmax(self, source: int, target: int) -> None:
        self.operator("SOFTMAX", [source], [target], kind="SoftmaxOptions", beta=1.0)

    def reshape(self, source: int, target: int) -> None:
        shape = np.array(self._tensors[target].shape, np.int32)
        sizes = self.tensor([len(shape)], "int32", data=shape.tobytes())
        self.operator("RESHAPE", [source, sizes], [target])

    def pool(self, source: int, target: int, height: int, width: int) -> None:
        """The mean of the whole picture, for each channel."""
        self.operator(
            "AVERAGE_POOL_2D",
            [source],
            [target],
            kind="Pool2DOptions",
            padding=schema.Padding.VALID,
            strideH=1,
            strideW=1,
            filterHeight=height,
            filterWidth=width,
        )

    def content(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        metadata: bytes = b"",
        names: Mapping[int, str] | None = None,
    ) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version = 3
        model.subgraphs = [graph]
        model.operatorCodes = []
        for code, custom in self._codes:
            operator_code = schema.OperatorCodeT()
            operator_code.deprecatedBuiltinCode = min(code, 127)
            operator_code.builtinCode = code
            operator_code.customCode = custom or None
            operator_code.version = 1
            model.operatorCodes.append(operator_code)
        if metadata:
            entry = schema.MetadataT()
            entry.name, entry.buffer = "TFLITE_METADATA", self._buffer(metadata)
            model.metadata = [entry]
        if names:
            signature = schema.SignatureDefT()
            signature.signatureKey = "serving_default"
            signature.inputs = [_mapped("image", inputs[0])]
            signature.outputs = [_mapped(name, tensor) for tensor, name in names.items()]
            model.signatureDefs = [signature]
        model.buffers = []
        for data in self._buffers:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8) if data else None
            model.buffers.append(buffer)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _mapped(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def colours(
    path: Path,
    dtype: str = "float32",
    height: int = 4,
    width: int = 4,
    softmax: bool = True,
    quantised: tuple[float, int] | None = None,
    metadata: bytes = b"",
) -> Path:
    """A classifier of the classes red, green and blue: the mean of each channel, as a logit."""
    model = Model()
    quantised = QUANTISED[dtype] if quantised is None else quantised
    image = model.tensor([1, height, width, 3], dtype, quantised, name="image")
    means = model.tensor([1, 1, 1, 3], dtype, quantised)
    logits = model.tensor([1, 3], dtype, quantised, name="logits")
    model.pool(image, means, height, width)
    model.reshape(means, logits)
    output = logits
    if softmax:
        output = model.tensor([1, 3], dtype, PROBABILITY[dtype], name="probabilities")
        model.softmax(logits, output)
    path.write_bytes(model.content([image], [output], metadata))
    return path


def echo(
    path: Path,
    dtype: str,
    shape: tuple[int, ...],
    quantised: tuple[float, int] = (0.0, 0),
    metadata: bytes = b"",
) -> Path:
    """A model whose features are its input, value by value, and whose scores say nothing."""
    model = Model()
    height, width = shape[1:3]
    channels = shape[3] if len(shape) == 4 else 1
    count = height * width * channels
    image = model.tensor(shape, dtype, quantised, name="image")
    features = model.tensor([1, count], dtype, quantised, name="features")
    scores = model.tensor([1, count], dtype, PROBABILITY[dtype], name="scores")
    model.reshape(image, features)
    model.softmax(features, scores)
    path.write_bytes(model.content([image], [scores, features], metadata))
    return path


def metadata(
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    labels: str | Mapping[str, str] = "",
    outputs: int = 1,
) -> bytes:
    """TFLite metadata: how the input is normalised, and the label files of the first output.

    Of several label files `labels` maps the names to their locales.

    Built by hand: numbers of fields are those of metadata_schema.fbs.
    """
    builder = flatbuffers.Builder(256)

    def vector(offsets: Sequence[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def table(fields: Mapping[int, int]) -> int:
        builder.StartObject(8)
        for field, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(field, offset, 0)
        return int(builder.EndObject())

    inputs = []
    if mean or std:
        numbers = {}
        for field, values in ((0, mean), (1, std)):
            builder.StartVector(4, len(values), 4)
            for value in reversed(values):
                builder.PrependFloat32(value)
            numbers[field] = int(builder.EndVector())
        options = table(numbers)
        builder.StartObject(2)
        builder.PrependUint8Slot(0, 1, 0)
        builder.PrependUOffsetTRelativeSlot(1, options, 0)
        inputs = [table({4: vector([int(builder.EndObject())])})]
    named = {labels: ""} if isinstance(labels, str) else labels
    files = []
    for name, locale in named.items() if labels else ():
        texts = builder.CreateString(name), builder.CreateString(locale) if locale else 0
        builder.StartObject(4)
        builder.PrependUOffsetTRelativeSlot(0, texts[0], 0)
        builder.PrependInt8Slot(2, 2, 0)
        builder.PrependUOffsetTRelativeSlot(3, texts[1], 0)
        files.append(int(builder.EndObject()))
    described = [table({6: vector(files)}) if files else table({})]
    described += [table({}) for _ in range(outputs - 1)]
    graph = table({2: vector(inputs), 3: vector(described)})
    builder.Finish(table({3: vector([graph])}), b"M001")
    return bytes(builder.Output())


def pack(path: Path, files: Mapping[str, bytes]) -> None:
    """Append files to a model as the metadata tools do: as a ZIP archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    with path.open("ab") as model:
        model.write(archive.getvalue())
