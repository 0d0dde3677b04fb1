"""What is kept beside a model of the pictures that it knows: ``NAME.tflite.known``.

The file is bound to the model by its SHA-256. It is read when the daemon starts, so everything in
it is checked: a file that is torn, or of another model, is refused with one line.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from edged import __version__, paths
from edged.drift.summary import Summary
from edged.errors import ModelError
from edged.files import open_regular, write_atomically
from edged.models.naming import plain

log = logging.getLogger(__name__)

MAX_BYTES = 100_000
SUFFIX = ".known"

SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4,
          0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # fmt: skip
"""The shares of known pictures of which ``Reference.quantiles`` has the likeness."""

_MAGIC = b"edged known 1\n"
_DIGEST_BYTES = 32
ADVICE = "fit it again with edged models unknown"

Floats = npt.NDArray[np.float32]


class Rows(Struct, frozen=True):
    """A matrix in 8 bits: int8 ``values`` row after row, times the float32 scale of the row."""

    values: bytes
    scales: bytes

    @classmethod
    def of(cls, matrix: Floats) -> Rows:
        """`matrix`, of shape (rows, columns), rounded."""
        scales = np.maximum(np.abs(matrix).max(1), np.finfo(np.float32).tiny) / 127
        values = np.rint(matrix / scales[:, None]).astype(np.int8)
        return cls(values.tobytes(), scales.astype("<f4").tobytes())

    def matrix(self, columns: int) -> Floats:
        """Shape (rows, `columns`); ValueError if that does not fit."""
        scales = floats(self.scales)
        values = np.frombuffer(self.values, np.int8).reshape(len(scales), columns)
        return values * scales[:, None]


class Means(Struct, frozen=True):
    """Where known pictures lie in the pooled values of some layers.

    A picture's position is (pooled raw values - ``centre``) * ``scale``, float32 of shape
    (values,). ``basis`` are the main directions in which pictures of one class differ, and ``gain``
    one over the variance in each of them, ``rest_gain`` in all others. ``classes`` has the
    direction of the mean of each class, whitened and of length 1.
    """

    centre: bytes
    scale: bytes
    basis: Rows
    gain: bytes
    rest_gain: float
    classes: Rows


class Vectors(Struct, frozen=True):
    """How the vectors of known pictures vary that taught labels are made from.

    ``tensors`` are those that a vector is read from. ``directions`` are the main ones in which the
    vectors differ from their ``mean``, float32, each as long as the deviation in it, and ``rest``
    is the variance in each other direction.
    """

    tensors: tuple[int, ...]
    mean: bytes
    directions: Rows
    rest: float


class Reference(Struct, frozen=True):
    """The content of the file.

    ``data`` names the pictures, ``pictures`` counts those that the likeness was fitted on and
    ``held_out`` those that gave the ``quantiles``: the likeness that each of `SHARES` of them stays
    below. ``summary`` is what the pictures are like. ``layers`` are inner tensors by their index in
    the model's graph. Without ``means`` the likeness is that of the one layer, the features, to the
    weights of the best class; without ``layers`` it is the greatest score.
    """

    model: str
    sha256: str
    data: str
    pictures: int
    held_out: int
    layers: tuple[int, ...]
    quantiles: tuple[float, ...]
    means: Means | None = None
    summary: Summary | None = None
    vectors: Vectors | None = None
    edged: str = __version__


def path_of(model: Path) -> Path:
    """Where the file of the model at `model` lies."""
    return model.with_name(plain(model).name + SUFFIX)


def places(model: Path) -> list[Path]:
    """Where it is looked for: beside the model, then among those that come with edged."""
    return [path_of(model), paths.bundled_model().parent / "known" / path_of(model).name]


def write(path: Path, reference: Reference) -> int:
    """Put it at `path`; returns its size in bytes. OSError leaves what was there."""
    content = msgspec.msgpack.encode(reference)
    data = _MAGIC + hashlib.sha256(content).digest() + content
    if len(data) > MAX_BYTES:
        raise ModelError(f"{path} would have {len(data)} bytes, over {MAX_BYTES}")
    write_atomically(path, data)
    return len(data)


def read(path: Path, model: bytes) -> Reference:
    """The reference at `path` for the model with the content `model`.

    ModelError, one line, if it cannot be read, is damaged, or is that of another model.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {ADVICE}") from error
    begin = len(_MAGIC) + _DIGEST_BYTES
    content = data[begin:]
    if not data.startswith(_MAGIC) or len(data) > MAX_BYTES:
        raise ModelError(f"{path} does not say what a model knows: {ADVICE}")
    if hashlib.sha256(content).digest() != data[len(_MAGIC) : begin]:
        raise ModelError(f"{path} is damaged or cut short: {ADVICE}")
    try:
        reference = msgspec.msgpack.decode(content, type=Reference)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({error}): {ADVICE}") from error
    if reference.sha256 != hashlib.sha256(model).hexdigest():
        raise ModelError(f"{path} is that of another model than this: {ADVICE}")
    return reference


def floats(data: bytes) -> Floats:
    """Stored float32 numbers; ValueError if they are not finite, or not whole."""
    values = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    return values
