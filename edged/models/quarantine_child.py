"""The process in which a model runs for the first time, started by `quarantine.inspect`.

It imports what it needs, drops its rights, and only then opens the model. It reads one JSON object
from standard input (`Order`) and writes one to standard output (`Verdict`).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zipfile  # noqa: F401 - for packed labels; its libraries are out of reach later
from pathlib import Path

import msgspec
import numpy as np

import edged
from edged import confine
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import labels as label_files
from edged.inference import modelfile, runtimes, tflite
from edged.models.quarantine import Verdict

_CPU_FACTS = ("/proc/cpuinfo", "/proc/self/auxv", "/sys/devices/system/cpu")
"""XNNPACK reads the CPU's instruction sets from these, and does not work without them."""


class Order(msgspec.Struct, frozen=True):
    """What to try: ``model.path`` is set, limits are those of `confine.limit`.

    ``content_fd`` has the content of the model; without it, the file is read.
    """

    model: ModelConfig
    memory_bytes: int
    cpu_s: int
    content_fd: int | None = None


def main() -> None:
    order = msgspec.convert(json.load(sys.stdin), Order)
    if order.content_fd is not None:
        with os.fdopen(order.content_fd, "rb") as file:
            modelfile.hand(Path(order.model.path), file.read())
    verdict = examine(order, import_runtime(order.model.runtime))
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(verdict) + b"\n")
    sys.stdout.buffer.flush()


def import_runtime(name: str) -> list[Path]:
    """Folders of modules: later imports from there remain possible."""
    modules = [os, msgspec, np, edged]
    # If none is installed, `examine` raises the daemon's usual error.
    with contextlib.suppress(ModelError):
        package = runtimes.choose(name).module.__name__.partition(".")[0]
        modules.append(sys.modules[package])
    return [Path(module.__file__).parent for module in modules if module.__file__]


def examine(order: Order, modules: list[Path]) -> Verdict:
    """Drop rights, then load the model and run it once on grey.

    Other errors than those of the model's checks or a lack of memory propagate, as they would
    later.
    """
    confine.limit(order.memory_bytes, order.cpu_s)
    confined = False
    try:
        model = _with_labels(order.model)
        files = [Path(model.path), *([Path(model.labels)] if model.labels else [])]
        confined = confine.landlock([*files, *modules, *map(Path, _CPU_FACTS)])
        ran = _try(model)
    except ModelError as error:
        return Verdict("refused", str(error), landlock=confined)
    except MemoryError:
        return Verdict("out of memory", "it needs more memory than it may have", landlock=confined)
    return Verdict("ok", ran=ran, landlock=confined)


def _with_labels(model: ModelConfig) -> ModelConfig:
    """`model` with the label file that belongs to it, found while its folder can be searched.

    Only Python code reads the file for that, no runtime yet. ModelError.
    """
    if model.labels:
        return model
    found = label_files.find(tflite.read(model), locale=model.locale)
    return msgspec.structs.replace(model, labels=str(found.path)) if found.path else model


def _try(model: ModelConfig) -> bool:
    """Whether it could be run; ModelError."""
    if model.delegate:
        # An accelerator serves one process, which may be the daemon that waits for this answer.
        label_files.find(tflite.read(model), model.labels, model.locale)
        return False
    classifier = tflite.load(model)
    shape = (*classifier.input_px, 3)
    if not classifier.classify(np.full(shape, 128, np.uint8)).finite:
        raise ModelError(
            f"{classifier.path}: its output on a grey picture is not finite: export it again"
        )
    return True


if __name__ == "__main__":
    main()
