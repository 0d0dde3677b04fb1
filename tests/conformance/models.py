"""The models of the comparison: those of a folder, and generated ones for every kind of tensor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from edged.config.schema import CameraConfig, ModelConfig
from tests.inference import builder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
BUNDLED = ROOT / "models" / "edged-cifar10-int8.tflite"
TOLD = "cases.toml"
"""Beside the models of a folder: a table for each model of which its file does not say enough."""

KEYS = {"mean", "std", "scores", "labels", "channels", "fit"}
IMAGENET = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
"""mean and std in units of a pixel."""


class Model(NamedTuple):
    """A model and what is told of it: keys of edged's section [model], and fits of the camera."""

    path: Path
    told: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    fits: tuple[str, ...] = ("stretch", "crop")


class CasesError(Exception):
    """What is told of the models cannot be right, in one line."""


def in_folder(folder: Path, told: Path | None = None) -> list[Model]:
    """The models in `folder`, with what `told` (its own cases.toml) says of them. CasesError."""
    told = told or folder / TOLD
    try:
        tables = tomllib.loads(told.read_text()) if told.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CasesError(f"{told}: {error}: correct it") from error
    paths = sorted(folder.glob("*.tflite"))
    if not paths:
        raise CasesError(f"{folder}: no model in this folder (*.tflite)")
    for name, table in tables.items():
        if name not in {path.stem for path in paths}:
            raise CasesError(f"{told}: no model {name}.tflite in {folder}: correct the name")
        if not isinstance(table, dict) or not table.keys() <= KEYS:
            raise CasesError(f"{told}: [{name}] may have {', '.join(sorted(KEYS))} only")
        try:
            msgspec.convert({k: v for k, v in table.items() if k != "fit"}, ModelConfig)
            msgspec.convert({k: v for k, v in table.items() if k == "fit"}, CameraConfig)
        except msgspec.ValidationError as error:
            raise CasesError(f"{told}: [{name}]: {error}") from error
    return [_told(path, dict(tables.get(path.stem, {})), told.parent) for path in paths]


def _told(path: Path, told: dict[str, Any], folder: Path) -> Model:
    fit = told.pop("fit", None)
    if "labels" in told:
        told["labels"] = str((folder / told["labels"]).resolve())
    return Model(path, told, (fit,) if fit else Model._field_defaults["fits"])


def shared(data: Path) -> list[Model]:
    """The published models of `data`, and the one that edged brings."""
    return [*in_folder(data / "models", Path(__file__).parent / "shared.toml"), Model(BUNDLED)]


def generated(folder: Path) -> list[Model]:
    """Small models written into `folder`, with labels beside each but one."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Model] = []

    def add(name: str, write: Callable[[Path], object], labels: int, **told: Any) -> None:
        path = folder / f"{name}.tflite"
        write(path)
        if labels:
            path.with_suffix(".txt").write_text("".join(f"class {i}\n" for i in range(labels)))
        found.append(Model(path, told))

    def colours(name: str, dtype: str, *, told: dict[str, Any] | None = None, **form: Any) -> None:
        add(name, lambda path: builder.colours(path, dtype, **form), 3, **(told or {}))

    for dtype in ("uint8", "int8", "float32"):
        colours(f"{dtype}", dtype)
        colours(f"{dtype}-logits", dtype, softmax=False)
        colours(f"{dtype}-3x8", dtype, height=3, width=8)
        colours(f"{dtype}-160x90", dtype, height=90, width=160)
    described = builder.metadata
    # Metadata that fits the tensor: the plain pixel, or by channel.
    fitting = described([127.5], [127.5])
    colours("uint8-scale-1-128", "uint8", quantised=(1 / 128, 128), metadata=fitting)
    colours("int8-scale-2-255", "int8", quantised=(2 / 255, -1), metadata=fitting)
    colours("uint8-mean0-std255", "uint8", metadata=described([0.0], [255.0]))
    imagenet = (4.7579 / 255, -14)
    colours("int8-imagenet", "int8", quantised=imagenet, metadata=described(*IMAGENET))
    colours("int8-imagenet-plain", "int8", quantised=imagenet)
    # Metadata of the float model that a quantised one was made from: the pixel is meant as it is.
    stale = described([0.0], [1.0])
    colours("uint8-stale-0-1", "uint8", quantised=(1 / 127, 128), metadata=stale)
    colours("uint8-stale-none", "uint8", quantised=(1 / 127, 128))
    colours("int8-stale-0-1", "int8", quantised=(2 / 255, -1), metadata=stale)
    colours("uint8-stale-0-255", "uint8", quantised=(0.05, 0), metadata=described([0.0], [255.0]))
    colours("uint8-stale-imagenet", "uint8", metadata=described(*IMAGENET))
    # Other scales, which concern the scores alone where nothing says mean and std.
    for scale, zero_point in ((1.0, 0), (0.02, 7), (0.5, 250)):
        for dtype, shift in (("uint8", 0), ("int8", -128)):
            name = f"{dtype}-scale-{scale}-{zero_point}"
            colours(name, dtype, quantised=(scale, zero_point + shift), softmax=False)
    colours("int8-told", "int8", quantised=imagenet, told=_normalised(*IMAGENET))
    colours("float32-0-1", "float32", metadata=described([0.0], [255.0]))
    colours("float32-0-255", "float32", metadata=stale)
    colours("float32-imagenet", "float32", metadata=described(*IMAGENET))
    colours("float32-told", "float32", told=_normalised([0.0], [255.0]))
    colours("float32-told-each", "float32", told=_normalised(*IMAGENET), metadata=stale)
    colours("float32-told-mean", "float32", told={"mean": [100.0, 110.0, 120.0]})
    for dtype in ("uint8", "int8", "float32"):
        colours(f"{dtype}-bgr", dtype, told={"channels": "bgr"})
    colours("float32-probabilities", "float32", softmax=False, told=_read("probabilities", 0, 765))
    # Every value of the input has a score of its own: a picture that lies wrongly is noticed.
    for shape in ((1, 8, 6, 3), (1, 8, 6, 1), (1, 5, 7)):
        sizes = "x".join(map(str, shape[1:]))
        count = int(np.prod(shape))
        for dtype, quantised in (
            ("uint8", (1 / 32, 0)),
            ("int8", (1 / 32, 5)),
            ("float32", (0, 0)),
        ):
            told = {} if quantised[0] else _normalised([10.0], [32.0])
            write = _echo(dtype, shape, quantised)
            add(f"{dtype}-places-{sizes}", write, count, **told)
    add("uint8-unlabelled", lambda path: builder.colours(path, "uint8"), 0)
    for labels in (1, 2):
        named = f"one-value-of-{labels}"
        add(f"{named}-logistic", _one_value("float32", "LOGISTIC"), labels)
        add(f"{named}-logit", _one_value("float32"), labels, **_read("logits", 127, 40))
        add(f"{named}-probability", _one_value("float32"), labels, **_read("probabilities", 0, 255))
        add(f"{named}-int8-logit", _one_value("int8"), labels, scores="logits")
        add(f"{named}-untold", _one_value("float32"), labels)
    add("one-value-softmax", _one_value("float32", "SOFTMAX"), 1)
    return found


def cases(folder: Path, script: Path) -> list[Model]:
    """The models that the program at `script` writes into `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(script), str(folder)], env=environment, check=True)
    return in_folder(folder)


def _normalised(mean: list[float], std: list[float]) -> dict[str, Any]:
    return {"mean": mean, "std": std}


def _read(scores: str, mean: float, std: float) -> dict[str, Any]:
    return {"scores": scores, "mean": [float(mean)], "std": [float(std)]}


def _echo(
    dtype: str, shape: tuple[int, ...], quantised: tuple[float, int]
) -> Callable[[Path], object]:
    return lambda path: builder.echo(path, dtype, shape, quantised)


def _one_value(dtype: str, last: str = "") -> Callable[[Path], object]:
    """A model of one value: the mean of the luma, through the operator `last`."""

    def write(path: Path) -> None:
        model = builder.Model()
        quantised = (1 / 32, 4) if dtype == "int8" else (0.0, 0)
        image = model.tensor([1, 4, 4, 1], dtype, quantised, name="image")
        mean = model.tensor([1, 1, 1, 1], dtype, quantised)
        value = model.tensor([1, 1], dtype, quantised, name="value")
        model.pool(image, mean, 4, 4)
        model.reshape(mean, value)
        output = value
        if last:
            output = model.tensor([1, 1], dtype, builder.PROBABILITY[dtype], name="answer")
        if last == "SOFTMAX":
            model.softmax(value, output)
        elif last:
            model.operator(last, [value], [output])
        path.write_bytes(model.content([image], [output]))

    return write
