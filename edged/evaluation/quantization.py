"""One trained network as five TensorFlow Lite files, from float32 to int8, side by side.

The schemes are those of the TensorFlow Lite post-training quantization guide; int8 has weights per
channel and activations per tensor (Jacob et al., CVPR 2018).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field
from msgspec.structs import replace

from edged import __version__, install
from edged.config.schema import Config
from edged.errors import ConfigError, ModelError, PictureError
from edged.evaluation import document, evaluation, probe
from edged.evaluation.dataset import DataError, Dataset, classes_of
from edged.evaluation.document import Evaluation
from edged.evaluation.examples import Finding, Kind, kind_of
from edged.imaging.picture import decode_picture
from edged.imaging.resample import resample
from edged.inference import tensors, tflite
from edged.inference.runtimes import one_line
from edged.messages.message import Document
from edged.printable import printable

VARIANTS = ("float32", "float16", "dynamic-range", "int8", "int8-float-io")
CALIBRATION_PICTURES = 300
CALIBRATION_STEP = 10
"""Every tenth picture of the data is for calibration, if none are given for it; the others are for
evaluation."""

LABEL_FILE = "labels.txt"

Floats = npt.NDArray[np.float32]

Convert: TypeAlias = Callable[[str, Sequence[Floats]], bytes]
"""Converts a variant's name and calibration inputs to the content of a .tflite file."""


class Source(NamedTuple):
    """The source to convert: a ``.keras`` file or a SavedModel folder.

    ``config`` gives its preprocessing, which is also that of the resulting files. If it names no
    label file, the data's class folders are the classes, by name.
    """

    path: Path
    config: Config

    @property
    def mean(self) -> Sequence[float]:
        """Of a pixel, 0..255; one value or one for each channel."""
        model = self.config.model
        return model.mean or [0.0 if model.std else 127.5]

    @property
    def std(self) -> Sequence[float]:
        """As `mean`."""
        model = self.config.model
        return model.std or [1.0 if model.mean else 127.5]


class Variant(Struct, frozen=True):
    """One of `VARIANTS` and its results."""

    name: str
    evaluation: Evaluation


class Quantization(Document, frozen=True):
    """The document.

    ``calibration_pictures`` calibrated the ranges of int8 and are not part of the evaluation.
    ``unreadable`` are those that could not be read; for the evaluated pictures, see the variants'
    inspection.
    """

    source: str
    calibration_pictures: int
    variants: list[Variant]
    unreadable: Kind = field(default_factory=lambda: Kind(0, []))
    edged: str = __version__
    kind: Literal["quantization"] = "quantization"
    schema: Literal[1] = 1


def tensorflow_converter(path: Path) -> Convert:
    """TensorFlow's converter for the source at `path`. ModelError."""
    if not path.exists():
        raise ModelError(f"{path}: no such file; give a .keras file or a SavedModel folder")
    is_keras = path.is_file() and path.suffix in (".keras", ".h5")
    if not is_keras and not (path / "saved_model.pb").is_file():
        raise ModelError(f"{path}: neither a .keras file nor a SavedModel folder; give one")
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelError(
            "edged models quantize needs TensorFlow, which is not installed: "
            + install.command("tensorflow")
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    def opened() -> Any:
        if is_keras:
            # Without code: a layer that contains code is refused.
            model = tf.keras.models.load_model(path, compile=False, safe_mode=True)
            return tf.lite.TFLiteConverter.from_keras_model(model)
        return tf.lite.TFLiteConverter.from_saved_model(str(path))

    def convert(variant: str, inputs: Sequence[Floats]) -> bytes:
        try:
            converter = opened()
            _set_up(tf, converter, variant, inputs)
            return bytes(converter.convert())
        except Exception as error:
            # Keras and the converter raise nearly any exception for unreadable input.
            raise ModelError(
                f"{path}: cannot be converted to {variant} ({one_line(error)}): export it again"
            ) from error

    return convert


def _set_up(tf: Any, converter: Any, variant: str, inputs: Sequence[Floats]) -> None:
    if variant == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif variant != "dynamic-range":
        converter.representative_dataset = lambda: ([given] for given in inputs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if variant == "int8":
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8


def quantize(
    source: Source,
    data: Dataset,
    calibration: Dataset | None,
    out: Path,
    converter: Callable[[Path], Convert] = tensorflow_converter,
) -> Quantization:
    """Make the files in the new folder `out`, and evaluate all of them on the same pictures.

    ModelError if TensorFlow is absent or cannot convert the source, DataError if the pictures do
    not fit, ConfigError if `out` already exists. After an error, `out` does not exist.
    """
    if out.exists():
        raise ConfigError(f"--out {out} is there already; name a new folder, or remove it")
    if calibration is None:
        calibration = data.every(CALIBRATION_STEP, CALIBRATION_STEP // 2)
        data = data.without_every(CALIBRATION_STEP, CALIBRATION_STEP // 2)
    calibration = calibration.limited(CALIBRATION_PICTURES)
    convert = converter(source.path)
    try:
        with tempfile.TemporaryDirectory(prefix=".edged-", dir=out.parent) as scratch:
            made = Path(scratch) / out.name
            made.mkdir()
            labels = _labels(source, data, made)
            found = _variants(source, data, calibration, convert, made, labels)
            shutil.move(made, out)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror}") from error
    return found


def _variants(
    source: Source,
    data: Dataset,
    calibration: Dataset,
    convert: Convert,
    folder: Path,
    labels: Path,
) -> Quantization:
    stem = source.path.stem
    configs = {
        name: replace(
            source.config.model,
            path=str(folder / f"{stem}-{name}.tflite"),
            labels=str(labels),
            mean=list(source.mean),
            std=list(source.std),
            threads=1,
        )
        for name in VARIANTS
    }
    fit = source.config.camera.fit
    plain = configs[VARIANTS[0]]
    Path(plain.path).write_bytes(convert(VARIANTS[0], ()))
    first = tflite.load(plain, fit)
    # Errors of the data are found before the slow conversions.
    classes_of(data, first.labels)
    unreadable: list[Finding] = []
    inputs = list(_inputs(calibration, *first.input_px, source, unreadable))
    for name in VARIANTS[1:]:
        Path(configs[name].path).write_bytes(convert(name, inputs))
    classifiers = [first, *(tflite.load(configs[name], fit) for name in VARIANTS[1:])]
    footprints = [probe.measure(config) for config in configs.values()]
    run = evaluation.evaluate(data, classifiers)
    variants = [
        Variant(
            name,
            document.summarise(
                document.describe(classifier, footprint),
                data.source,
                run,
                outcomes,
            ),
        )
        for name, classifier, footprint, outcomes in zip(
            VARIANTS, classifiers, footprints, run.outcomes, strict=True
        )
    ]
    for classifier in classifiers:
        classifier.__exit__()
    return Quantization(printable(source.path.name), len(inputs) - 2, variants, kind_of(unreadable))


def _labels(source: Source, data: Dataset, folder: Path) -> Path:
    """The label file next to the new models, where the daemon finds it."""
    path = folder / LABEL_FILE
    if source.config.model.labels:
        shutil.copyfile(source.config.model.labels, path)
        return path
    names = sorted({example.label for example in data.examples})
    if any("\n" in name or not name.isprintable() for name in names):
        raise DataError(f"{data.source}: a label is not printable; give --labels")
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return path


def _inputs(
    data: Dataset, height_px: int, width_px: int, source: Source, unreadable: list[Finding]
) -> Iterator[Floats]:
    """Pictures as the network takes them, float32 (1, height, width, 3), black and white last.

    Unreadable pictures are added to `unreadable`. With both ends of the range, one step of a
    quantised input is exactly one step of a pixel.
    """
    mean, std = np.asarray(source.mean), np.asarray(source.std)
    order = -1 if source.config.model.channels == "bgr" else 1
    small = np.empty((height_px, width_px, 3), np.uint8)
    count = 0
    for example in data.examples:
        try:
            pixels = decode_picture(data.read(example), example.name, (height_px, width_px))
        except PictureError as error:
            unreadable.append(Finding(example.name, error.reason))
            continue
        if source.config.camera.fit == "crop":
            pixels = tensors.centre(pixels, height_px, width_px)
        resample(pixels, small)
        count += 1
        yield ((small - mean) / std).astype(np.float32)[None, ..., ::order]
    if not count:
        raise DataError(f"{data.source}: no picture can be read to calibrate with")
    for level in (0, 255):
        yield ((np.full(small.shape, level) - mean) / std).astype(np.float32)[None, ..., ::order]
