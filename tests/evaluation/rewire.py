"""A published model with other types at its borders, so that each type is tested on real weights.

The int8 classifier of the shared data has operators that turn uint8 into int8 and back. Without
them it takes and gives int8; with others in their place, float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

QUANTIZE, DEQUANTIZE = schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE


def int8(source: Path, target: Path) -> Path:
    """The graph between its first and its last operator, both of which must be QUANTIZE."""
    tree, graph, first, last = _opened(source)
    graph.inputs, graph.outputs = [first.outputs[0]], [last.inputs[0]]
    graph.operators = graph.operators[1:-1]
    tree.signatureDefs = []
    return _written(tree, target)


def float32(source: Path, target: Path) -> Path:
    """The graph with float32 quantised at its input, and dequantised at its output."""
    tree, graph, _, last = _opened(source)
    for tensor in (graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]):
        tensor.type = schema.TensorType.FLOAT32
        tensor.quantization = None
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = DEQUANTIZE
    code.version = 2
    tree.operatorCodes.append(code)
    last.opcodeIndex = len(tree.operatorCodes) - 1
    last.builtinOptions = None
    last.builtinOptionsType = 0
    return _written(tree, target)


def _opened(source: Path) -> tuple[Any, Any, Any, Any]:
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(source.read_bytes()))
    [graph] = tree.subgraphs
    first, last = graph.operators[0], graph.operators[-1]
    assert all(tree.operatorCodes[op.opcodeIndex].builtinCode == QUANTIZE for op in (first, last))
    return tree, graph, first, last


def _written(tree: Any, target: Path) -> Path:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(tree.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target
