"""The facts in a .tflite file, read before any runtime opens it.

The numbers of fields and operators are those of tensorflow/lite/schema/schema.fbs, for the
metadata those of tflite-support's metadata_schema.fbs.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edged.errors import ModelError
from edged.files import open_regular
from edged.inference import encrypted
from edged.inference.flatbuffer import Bytes, DamagedError, Table, root
from edged.models.naming import ENCRYPTED
from edged.printable import printable

AVERAGE_POOL_2D, CONV_2D, DEQUANTIZE, FULLY_CONNECTED = 1, 3, 6, 9
L2_NORMALIZATION, LOGISTIC, RESHAPE, SOFTMAX = 11, 14, 22, 25
MEAN, SQUEEZE, QUANTIZE, NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5 = 40, 43, 114, 120, 121
_PASS_THROUGH = {DEQUANTIZE, RESHAPE, SQUEEZE, QUANTIZE}
_NORMALIZATION_OPTIONS = 1
_TENSOR_AXIS_LABELS = 2


MAX_BYTES = 1 << 30


_ARCHIVE_END = b"PK\x05\x06"
_ARCHIVE_END_BYTES = 22 + 0xFFFF
"""The longest record that ends a ZIP archive."""


class LabelFile(msgspec.Struct, frozen=True):
    """A label file that the metadata names; its locale, such as ``de``, may be empty."""

    name: str
    locale: str


class StoredTensor(msgspec.Struct, frozen=True):
    """An input or output: its index in the main graph, its shape, its number of TensorType."""

    index: int
    shape: tuple[int, ...]
    type: int


class ModelFile(msgspec.Struct, frozen=True):
    """The facts that the file holds; tensors are named by their index in the main graph.

    ``input_px`` is (height, width) of the first input if it has the form of a picture.
    ``producers`` maps a tensor to its operator's code and that operator's first input,
    ``output_names`` an output to its name in the signature. ``mean`` and ``std`` (in units of a
    pixel, 0..255) come from the metadata and are empty without them, ``label_files`` maps an output
    to the label files that the metadata says are packed into the model. ``custom_operators`` are
    the names of operators that are not TensorFlow Lite's own, ``has_archive`` is true if files are
    packed in, ``keeps_state`` if a tensor keeps its value between runs, as in a recurrent network.
    """

    path: Path
    input_px: tuple[int, int] | None
    producers: Mapping[int, tuple[int, int]]
    output_names: Mapping[int, str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    label_files: Mapping[int, tuple[LabelFile, ...]]
    inputs: tuple[StoredTensor, ...]
    outputs: tuple[StoredTensor, ...]
    custom_operators: frozenset[str]
    has_archive: bool
    keeps_state: bool

    def maker(self, tensor: int) -> int:
        """The code of the operator that produces `tensor`, skipping those that keep the values.

        -1 if there is none.
        """
        for _ in range(len(self.producers)):
            code, source = self.producers.get(tensor, (-1, -1))
            if code not in _PASS_THROUGH:
                return code
            tensor = source
        return -1


def read(path: Path) -> ModelFile:
    """Read and check the model at `path`; ModelError if it is absent, damaged or not a model."""
    data = memoryview(content(path))
    if len(data) < 8:
        raise ModelError(f"{path} is empty or cut short: copy the model file again")
    if bytes(data[4:8]) != b"TFL3":
        raise ModelError(f"{path} is not a TensorFlow Lite model: give a .tflite file")
    try:
        return _facts(path, data)
    except DamagedError as error:
        raise DamagedError(error.what, str(path)) from error


_handed: dict[Path, bytes] = {}


def hand(path: Path, data: bytes) -> None:
    """From now on `data` is the content of `path`, in a process that has no key to decrypt it."""
    _handed[path] = data


def content(path: Path) -> bytes:
    """The whole file, decrypted; ModelError.

    Read, not mapped: overwriting a mapped file kills the reading process (SIGBUS).
    """
    if path in _handed:
        return _handed[path]
    data = _stored(path)
    if path.suffix == ENCRYPTED or encrypted.is_encrypted(data):
        return encrypted.decrypted(path, data)
    return data


def _stored(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > MAX_BYTES:
                raise ModelError(f"{path} has over {MAX_BYTES >> 20} MiB: give an image classifier")
            return file.read(size_bytes)
    except OSError as error:
        raise ModelError(
            f"model {path} cannot be read: {error.strerror}; correct its path"
        ) from error


def _facts(path: Path, data: memoryview) -> ModelFile:
    model, graph, tensors = checked(data)
    outputs = graph.integers(2)
    mean, std, label_files = _metadata(model, outputs)
    return ModelFile(
        path,
        _input_px(graph, tensors),
        _producers(model, graph),
        _names(model),
        mean,
        std,
        label_files,
        _described(graph.integers(1), tensors),
        _described(outputs, tensors),
        frozenset(
            bytes(code.raw(1)).decode(errors="replace") for code in model.tables(1) if code.raw(1)
        ),
        _ARCHIVE_END in bytes(data[-_ARCHIVE_END_BYTES:]),
        keeps_state=any(tensor.number(5, "B") for tensor in tensors),
    )


def checked(data: Bytes) -> tuple[Table, Table, list[Table]]:
    """The model, its graph and its tensors; DamagedError if a reference is broken."""
    model = root(data, b"TFL3")
    graph = next(model.tables(2), None)
    if graph is None:
        raise DamagedError("no graph")
    tensors = list(graph.tables(0))
    _check_references(model, graph, tensors, len(data))
    return model, graph, tensors


def _described(indices: Sequence[int], tensors: Sequence[Table]) -> tuple[StoredTensor, ...]:
    return tuple(
        StoredTensor(index, tensors[index].integers(0), tensors[index].number(1, "b"))
        for index in indices
        if index >= 0
    )


def _input_px(graph: Table, tensors: Sequence[Table]) -> tuple[int, int] | None:
    first = next(iter(graph.integers(1)), -1)
    match tensors[first].integers(0) if first >= 0 else ():
        case (1, height, width) | (1, height, width, _) if height > 0 and width > 0:
            return height, width
    return None


def _check_references(
    model: Table, graph: Table, tensors: Sequence[Table], size_bytes: int
) -> None:
    """Older runtimes do not check this and crash: a truncated download must not end edged."""
    buffers = list(model.tables(4))
    for buffer in buffers:
        buffer.raw(0)
        if buffer.number(1, "Q") + buffer.number(2, "Q") > size_bytes:
            raise DamagedError("a buffer ends beyond the end")
    # Buffer 0 means no data, even if there are no buffers.
    if any(tensor.number(2, "I") >= max(len(buffers), 1) for tensor in tensors):
        raise DamagedError("a tensor has no buffer")
    named = [*graph.integers(1), *graph.integers(2)]
    codes = sum(1 for _ in model.tables(1))
    for operator in graph.tables(3):
        if operator.number(0, "I") >= codes:
            raise DamagedError("an operator has no code")
        named += operator.integers(1)
        named += operator.integers(2)
    if any(not -1 <= tensor < len(tensors) for tensor in named):
        raise DamagedError("an operator names no tensor")


def operator_codes(model: Table) -> list[int]:
    """The codes of operators, by the index that operators use."""
    # Codes above a byte are in the newer field, and the older one then holds its maximum.
    return [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]


def _producers(model: Table, graph: Table) -> dict[int, tuple[int, int]]:
    codes = operator_codes(model)
    producers = {}
    for operator in graph.tables(3):
        source = next(iter(operator.integers(1)), -1)
        for tensor in operator.integers(2):
            producers[tensor] = (codes[operator.number(0, "I")], source)
    return producers


def _names(model: Table) -> dict[int, str]:
    return {
        output.number(1, "I"): output.text(0)
        for signature in model.tables(7)
        if signature.number(4, "I") == 0
        for output in signature.tables(1)
    }


def _metadata(
    model: Table, outputs: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[float, ...], dict[int, tuple[LabelFile, ...]]]:
    buffers = list(model.tables(4))
    for entry in model.tables(6):
        number = entry.number(1, "I")
        if entry.text(0) == "TFLITE_METADATA" and number < len(buffers):
            graph = next(root(buffers[number].raw(0), b"M001").tables(3), None)
            break
    else:
        graph = None
    if graph is None:
        return (), (), {}
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for tensor in graph.tables(2):
        for unit in tensor.tables(4):
            options = unit.table(1)
            if options is not None and unit.number(0, "B") == _NORMALIZATION_OPTIONS:
                mean, std = options.numbers(0, "f"), options.numbers(1, "f")
    label_files = {}
    for output, tensor in zip(outputs, graph.tables(3), strict=False):
        files = tuple(
            LabelFile(file.text(0), file.text(3))
            for file in tensor.tables(6)
            if file.number(2, "b") == _TENSOR_AXIS_LABELS
        )
        if files:
            label_files[output] = files
    return mean, std, label_files


def packed_names(path: Path) -> list[str]:
    """The names of the files that are packed into the model; none if they cannot be read."""
    import zipfile

    stored = io.BytesIO(content(path))
    try:
        with zipfile.ZipFile(stored) as archive:
            return [name for name in archive.namelist() if name.isprintable()]
    except Exception:
        # Weights may look like the end of an archive by chance; of damaged ones, zipfile raises
        # nearly any exception.
        return []


def packed(path: Path, name: str, limit_bytes: int) -> bytes | None:
    """The file `name` that is packed into the model as into a ZIP archive; None if it is absent.

    ModelError if it is damaged or longer than `limit_bytes`.
    """
    # Takes tens of milliseconds, and most models have no packed files.
    import zipfile

    stored = io.BytesIO(content(path))
    try:
        with zipfile.ZipFile(stored) as archive, archive.open(name) as file:
            data = file.read(limit_bytes + 1)
    except KeyError:
        return None
    except Exception as error:
        reason = printable(" ".join(str(error).split()))
        raise ModelError(
            f"{path}: the packed file {name} is damaged ({reason}): set model.labels"
        ) from error
    if len(data) > limit_bytes:
        raise ModelError(
            f"{path}: the packed file {name} has over {limit_bytes} bytes: set model.labels"
        )
    return data
