"""Golden outputs: the scores of a frozen model for a few pictures, for comparison elsewhere.

They are written where the model was made and checked where it will run: another runtime, board
or delegate must give the same scores within a few steps of the output's quantisation.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from edged.errors import ConfigError, PictureError
from edged.evaluation.dataset import DataError, Dataset
from edged.files import write_atomically
from edged.imaging.picture import decode_picture
from edged.inference import modelfile
from edged.inference.tflite import TfliteClassifier

PICTURES = 16
QUANTUM = 1 / 256
"""The step of a quantised softmax (TensorFlow Lite 8-bit quantization specification)."""

MAX_BYTES = 64 << 20
_DIGITS = 7


class GoldenPicture(Struct, frozen=True):
    """The scores of one picture; ``sha256`` is of the picture's file."""

    name: str
    sha256: str
    scores: Annotated[list[float], Meta(min_length=1)]


class Golden(Struct, frozen=True):
    """The file. ``sha256`` is the frozen model's."""

    model: str
    sha256: str
    pictures: Annotated[list[GoldenPicture], Meta(min_length=1)]
    kind: Literal["golden"] = "golden"
    schema: Literal[1] = 1


def write(path: Path, classifier: TfliteClassifier, dataset: Dataset) -> Golden:
    """Write the scores of `classifier` for up to `PICTURES` pictures, spread over `dataset`.

    ConfigError if the file cannot be written, DataError if no picture can be read.
    """
    pictures = []
    for example in dataset.limited(PICTURES).examples:
        try:
            data = dataset.read(example)
            scores = classifier.classify(
                decode_picture(data, example.name, classifier.input_px)
            ).scores
        except PictureError:
            continue
        rounded = [round(float(score), _DIGITS) for score in scores]
        pictures.append(GoldenPicture(example.name, hashlib.sha256(data).hexdigest(), rounded))
    if not pictures:
        raise DataError(f"{dataset.source}: no picture can be read for the golden outputs")
    model = modelfile.content(classifier.path)
    golden = Golden(classifier.name, hashlib.sha256(model).hexdigest(), pictures)
    try:
        write_atomically(path, msgspec.json.encode(golden) + b"\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return golden


def read(path: Path) -> Golden:
    """The golden outputs in a file. ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB; not golden outputs")
        return msgspec.json.decode(content, type=Golden)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}: make it with edged models evaluate --write-golden"
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: not golden outputs ({error}): make it again") from error


def worst_quanta(golden: Golden, classifier: TfliteClassifier, dataset: Dataset) -> float:
    """The largest difference of a score from its golden one, in steps of `QUANTUM`.

    DataError if a picture is not in `dataset` or has changed.
    """
    examples = {example.name: example for example in dataset.examples}
    worst = 0.0
    for picture in golden.pictures:
        example = examples.get(picture.name)
        if example is None:
            raise DataError(f"{dataset.source}: the golden outputs' {picture.name} is not in it")
        data = dataset.read(example)
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            raise DataError(
                f"{dataset.source}: {picture.name} is not the picture of the golden outputs"
            )
        scores = classifier.classify(decode_picture(data, example.name, classifier.input_px)).scores
        if len(scores) != len(picture.scores):
            return float("inf")
        away = np.abs(scores.astype(float) - np.array(picture.scores)) / QUANTUM
        worst = max(worst, float(away.max()))
    return worst
