"""TFLite metadata: what the model takes and gives, its labels and its origin, inside the file.

The tables follow ``metadata_schema.fbs`` of TensorFlow Lite Support (identifier M001); numbers
below are the fields' places in that schema. The label file is a zip entry behind the flatbuffer.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers  # type: ignore[import-untyped]
from ai_edge_litert import schema_py_generated as schema

from models.recipe.network import PIXEL_MEAN, PIXEL_STD
from models.recipe.pictures import SIDE_PX

LABEL_FILE = "labels.txt"
SCORES = "scores"
FEATURES = "features"
PIXELS = "pixels"

_METADATA_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_IMAGE_PROPERTIES = 2
_FEATURE_PROPERTIES = 1
_NORMALIZATION = 1
_RGB = 1
_AXIS_LABELS = 2


@dataclass(frozen=True)
class About:
    """What the metadata says of the model as a whole."""

    name: str
    description: str
    version: str
    author: str
    licence: str


def describe(model: bytes, about: About, labels: Sequence[str]) -> bytes:
    """Return the model with its tensors named, ``scores`` first, its metadata and its labels.

    The result is the flatbuffer with a zip archive of ``labels.txt`` behind it; a runtime reads
    the former and ignores the latter.
    """
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    _name_tensors(tree)
    tree.description = about.name.encode()
    metadata = schema.MetadataT()
    metadata.name = _METADATA_NAME
    metadata.buffer = len(tree.buffers)
    buffer = schema.BufferT()
    buffer.data = list(_metadata(about, labels))
    tree.buffers.append(buffer)
    tree.metadata = [*(tree.metadata or []), metadata]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    file = io.BytesIO(bytes(builder.Output()))
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        # A fixed date: the same weights make the same file.
        archive.writestr(zipfile.ZipInfo(LABEL_FILE), "".join(f"{label}\n" for label in labels))
    return file.getvalue()


def _name_tensors(tree: schema.ModelT) -> None:
    graph = tree.subgraphs[0]
    (signature,) = tree.signatureDefs
    signature.signatureKey = b"serving_default"
    places = {item.name.decode(): item.tensorIndex for item in signature.outputs}
    graph.outputs = [places[SCORES], places[FEATURES]]
    signature.outputs.sort(key=lambda item: graph.outputs.index(item.tensorIndex))
    for index, tensor in enumerate(graph.tensors):
        # The converter names tensors by its own passes: long, and of no use to a reader.
        tensor.name = f"t{index}".encode()
    graph.tensors[graph.inputs[0]].name = PIXELS.encode()
    for name, index in places.items():
        graph.tensors[index].name = name.encode()


def _metadata(about: About, labels: Sequence[str]) -> bytes:
    builder = _Tables()
    normalisation = builder.table({0: builder.floats([PIXEL_MEAN]), 1: builder.floats([PIXEL_STD])})
    size = builder.table({0: ("uint32", SIDE_PX), 1: ("uint32", SIDE_PX)})
    image = builder.table({0: ("int8", _RGB), 1: size})
    pixels = builder.table(
        {
            0: builder.text(PIXELS),
            1: builder.text(f"RGB picture stretched to {SIDE_PX}x{SIDE_PX} pixels"),
            3: builder.table({0: ("uint8", _IMAGE_PROPERTIES), 1: image}),
            4: builder.tables([builder.table({0: ("uint8", _NORMALIZATION), 1: normalisation})]),
            5: builder.table(
                {
                    0: builder.floats([(255 - PIXEL_MEAN) / PIXEL_STD]),
                    1: builder.floats([-PIXEL_MEAN / PIXEL_STD]),
                }
            ),
        }
    )
    label_file = builder.table(
        {
            0: builder.text(LABEL_FILE),
            1: builder.text("One label a line, in the order of the scores"),
            2: ("int8", _AXIS_LABELS),
        }
    )
    scores = builder.table(
        {
            0: builder.text(SCORES),
            1: builder.text(f"Probability of each of {len(labels)} classes"),
            3: builder.table({0: ("uint8", _FEATURE_PROPERTIES), 1: builder.table({})}),
            5: builder.table({0: builder.floats([1.0]), 1: builder.floats([0.0])}),
            6: builder.tables([label_file]),
        }
    )
    features = builder.table(
        {
            0: builder.text(FEATURES),
            1: builder.text("Pooled features before the classifier: for teaching, and to compare"),
            3: builder.table({0: ("uint8", _FEATURE_PROPERTIES), 1: builder.table({})}),
        }
    )
    graph = builder.table({2: builder.tables([pixels]), 3: builder.tables([scores, features])})
    return builder.finish(
        {
            0: builder.text(about.name),
            1: builder.text(about.description),
            2: builder.text(about.version),
            3: builder.tables([graph]),
            4: builder.text(about.author),
            5: builder.text(about.licence),
            7: builder.text("1.0.0"),
        }
    )


class _Tables:
    """Flatbuffer tables given as ``{place: offset or (kind, value)}``."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def tables(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def table(self, fields: dict[int, int | tuple[str, int]]) -> int:
        add = {
            "int8": self._builder.PrependInt8Slot,
            "uint8": self._builder.PrependUint8Slot,
            "uint32": self._builder.PrependUint32Slot,
        }
        self._builder.StartObject(max(fields, default=-1) + 1)
        for place, value in fields.items():
            if isinstance(value, tuple):
                add[value[0]](place, value[1], 0)
            else:
                self._builder.PrependUOffsetTRelativeSlot(place, value, 0)
        return int(self._builder.EndObject())

    def finish(self, fields: dict[int, int | tuple[str, int]]) -> bytes:
        self._builder.Finish(self.table(fields), _IDENTIFIER)
        return bytes(self._builder.Output())
