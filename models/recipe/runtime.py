"""The converted model in the runtime that serves it: outputs, invoke time and delegation."""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.recipe.metadata import LABEL_FILE

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tensor:
    """A tensor at the border of the model."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class Runtime:
    """A TFLite file in an interpreter on one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()

    def run(self, pixels: Pixels) -> list[NDArray[np.float32]]:
        """Return each output, in real numbers, for pixels ``[n, 3, height, width]``."""
        source = self._interpreter.get_input_details()[0]["index"]
        targets = self._interpreter.get_output_details()
        found: list[list[NDArray[Any]]] = [[] for _ in targets]
        for picture in pixels.transpose(0, 2, 3, 1):
            self._interpreter.set_tensor(source, picture[None])
            self._interpreter.invoke()
            for target, kept in zip(targets, found, strict=True):
                kept.append(self._interpreter.get_tensor(target["index"])[0])
        return [
            ((np.stack(kept).astype(np.float32) - target["quantization"][1])
             * np.float32(target["quantization"][0]))
            for target, kept in zip(targets, found, strict=True)
        ]  # fmt: skip

    def invoke_ms(self, times: int) -> NDArray[np.float64]:
        """Return the durations of ``times`` invocations on noise."""
        details = self._interpreter.get_input_details()[0]
        noise = np.random.default_rng(0).integers(0, 256, details["shape"], np.uint8)
        self._interpreter.set_tensor(details["index"], noise)
        taken = np.empty(times)
        for index in range(times):
            started_ns = time.perf_counter_ns()
            self._interpreter.invoke()
            taken[index] = (time.perf_counter_ns() - started_ns) / 1e6
        return taken

    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs and the outputs, in order."""
        borders = (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        inputs, outputs = (
            [
                Tensor(
                    item["name"],
                    np.dtype(item["dtype"]).name,
                    tuple(int(side) for side in item["shape"]),
                    float(item["quantization"][0]),
                    int(item["quantization"][1]),
                )
                for item in border
            ]
            for border in borders
        )
        return inputs, outputs

    def delegated(self) -> tuple[int, list[str]]:
        """Return how many operators XNNPACK took and the names of those it left."""
        # The interpreter lists its operators through this method only; one named DELEGATE stands
        # for those between its inputs and its outputs.
        operators = self._interpreter._get_ops_details()
        makers = {
            int(output): operator
            for operator in operators
            if operator["op_name"] != "DELEGATE"
            for output in operator["outputs"]
        }
        taken: set[int] = set()
        for delegate in operators:
            if delegate["op_name"] != "DELEGATE":
                continue
            given = {int(tensor) for tensor in delegate["inputs"]}
            wanted = [int(tensor) for tensor in delegate["outputs"]]
            while wanted:
                tensor = wanted.pop()
                maker = makers.get(tensor)
                if tensor in given or maker is None or maker["index"] in taken:
                    continue
                taken.add(maker["index"])
                wanted.extend(int(source) for source in maker["inputs"])
        plain = [item for item in operators if item["op_name"] != "DELEGATE"]
        return len(taken), [item["op_name"] for item in plain if item["index"] not in taken]

    def labels(self) -> tuple[str, ...]:
        """Return the labels packed in the file."""
        with zipfile.ZipFile(io.BytesIO(self._path.read_bytes())) as archive:
            return tuple(archive.read(LABEL_FILE).decode().split())
