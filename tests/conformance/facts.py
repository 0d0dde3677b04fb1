"""What a model's file says of itself, read with LiteRT's own schema and flatbuffers alone."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import Float32Flags
from flatbuffers.table import Table

OPERATORS: dict[int, str] = {
    v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)
}
KEEPS_VALUES = ("RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE")
NORMALIZATION_OPTIONS = 1


def read(path: Path) -> Any:
    """The tables of the file as objects: schema.ModelT."""
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def last_operator(model: Any, tensor: int) -> str:
    """The name of the operator that makes `tensor`, but for those that keep the values."""
    graph = model.subgraphs[0]
    for _ in graph.operators:
        maker = next((o for o in graph.operators if tensor in o.outputs), None)
        if maker is None:
            break
        code = model.operatorCodes[maker.opcodeIndex]
        name: str = OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
        if name not in KEEPS_VALUES:
            return name
        tensor = maker.inputs[0]
    return ""


def metadata(model: Any) -> tuple[list[float], list[float]]:
    """mean and std in the TFLite metadata (metadata_schema.fbs); empty where there are none."""

    def tables(table: Table, field: int) -> list[Table]:
        at = table.Offset(4 + 2 * field)
        count, first = (table.VectorLen(at), table.Vector(at)) if at else (0, 0)
        return [Table(table.Bytes, table.Indirect(first + 4 * i)) for i in range(count)]

    def floats(table: Table, field: int) -> list[float]:
        at = table.Offset(4 + 2 * field)
        count = table.VectorLen(at) if at else 0
        return [table.Get(Float32Flags, table.Vector(at) + 4 * i) for i in range(count)]

    for entry in model.metadata or []:
        if entry.name == b"TFLITE_METADATA":
            data = bytes(model.buffers[entry.buffer].data)
            root = Table(data, int.from_bytes(data[:4], "little"))
            for graph in tables(root, 3)[:1]:
                for unit in [u for tensor in tables(graph, 2) for u in tables(tensor, 4)]:
                    options = Table(data, 0)
                    kind, at = unit.Offset(4), unit.Offset(6)
                    if kind and at and data[unit.Pos + kind] == NORMALIZATION_OPTIONS:
                        unit.Union(options, at)
                        return floats(options, 0), floats(options, 1)
    return [], []


def count_labels(path: Path, told: str) -> int:
    """How many labels there are: told, packed into the model, or beside it; 0 where none are."""
    beside = [Path(told)] if told else [path.with_suffix(".txt"), path.with_name("labels.txt")]
    text = b""
    if not told and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            text = b"".join(packed.read(name) for name in packed.namelist()[:1])
    text = text or next((file.read_bytes() for file in beside if file.exists()), b"")
    return sum(bool(line.strip()) for line in text.splitlines())
