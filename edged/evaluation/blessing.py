"""The blessing: a file next to a model that records the gates it passed, and the data.

It is a record, not a signature: whoever may write next to the model may also write a blessing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from edged import __version__
from edged.errors import ConfigError, ModelError
from edged.evaluation.check import Check
from edged.files import write_atomically
from edged.inference.modelfile import content
from edged.inference.preprocessing import Preprocessing
from edged.models.naming import plain

MAX_BYTES = 4 << 20


class Blessing(Struct, frozen=True):
    """The file. It is valid only for the model with this ``sha256`` and this preprocessing.

    ``blessed`` is the wall-clock time in UTC, ISO 8601; ``gate_sha256`` is of the gate file,
    ``old_sha256`` of the model compared with, ``data_sha256`` over the pictures.
    """

    model: str
    sha256: str
    preprocessing: Preprocessing
    old_sha256: str
    gate_sha256: str
    data: str
    data_sha256: str
    pictures: int
    results: list[Check]
    blessed: str
    edged: str = __version__
    kind: Literal["blessing"] = "blessing"
    schema: Literal[2] = 2


def path_of(model: Path) -> Path:
    """The path of the blessing of the model at `model`: ``NAME.tflite.blessing.json``."""
    return model.with_name(plain(model).name + ".blessing.json")


def write(model: Path, blessing: Blessing) -> Path:
    """Write the blessing next to the model; returns its path. ConfigError."""
    path = path_of(model)
    data = msgspec.json.format(msgspec.json.encode(blessing), indent=2) + b"\n"
    try:
        write_atomically(path, data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def check(model: Path, preprocessing: Preprocessing) -> Blessing:
    """The blessing of the model at `model` under this `preprocessing`.

    ModelError, one line, if it has no valid one.
    """
    path = path_of(model)
    advice = "bless it with edged models compare, or set model.require_blessing = false"
    try:
        with path.open("rb") as file:
            stored = file.read(MAX_BYTES)
        blessing = msgspec.json.decode(stored, type=Blessing)
    except FileNotFoundError as error:
        raise ModelError(f"{model} is not blessed (no {error.filename}): {advice}") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {advice}") from error
    except msgspec.DecodeError as error:
        raise ModelError(f"{path} is not a blessing ({error}): {advice}") from error
    if blessing.sha256 != hashlib.sha256(content(model)).hexdigest():
        raise ModelError(f"{path} blesses a file other than {model.name}: {advice}")
    if different := "; ".join(blessing.preprocessing.differences(preprocessing)):
        raise ModelError(f"{path} is for other preprocessing ({different}): {advice}")
    if not blessing.results or not all(result.holds for result in blessing.results):
        raise ModelError(f"{path} holds a gate that failed, or none: {advice}")
    return blessing
