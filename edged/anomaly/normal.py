"""What is normal in one view, as it is kept in a file, and how different a picture is from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from edged import access
from edged.anomaly.view import View
from edged.errors import ModelError
from edged.files import open_regular, write_atomically
from edged.inference.layers import Map, find
from edged.inference.modelfile import content

FORMAT = 1
MOST_BYTES = 4 << 20
"""A file of normal pictures is some hundred kilobytes."""

SIDES = range(10, 21)
"""Positions along a side of the map: enough for things of a hundredth of the picture."""

MOST_CHANNELS = 192

TEACH = "run `edged teach --normal`"


class Normal(msgspec.Struct, frozen=True):
    """What a view is like while nothing is there.

    ``sha256`` is of the model's file, ``tensor`` the map in its graph, of ``shape`` (height, width,
    channels). ``whitening``, float32 (channels, channels), turns its values into such of unit
    covariance; ``means``, float32 (height, width, channels), are those of each position, whitened.
    ``limits``, float32 (height, width), is the distance from the mean at which a position counts as
    different. ``made`` is wall-clock time in UTC, ISO 8601, and tells one teaching from another.
    """

    format: int
    made: str
    frames: int
    sha256: str
    tensor: int
    shape: tuple[int, int, int]
    whitening: bytes
    means: bytes
    limits: bytes
    view: View

    def __post_init__(self) -> None:
        height, width, channels = self.shape
        if self.format != FORMAT:
            raise ValueError(f"its format is {self.format}, and this edged reads {FORMAT}")
        if not (0 < height <= 256 and 0 < width <= 256 and 0 < channels <= 4096):
            raise ValueError(f"its map has the shape {height}x{width}x{channels}")
        wanted = (channels * channels, height * width * channels, height * width)
        for name, count in zip(("whitening", "means", "limits"), wanted, strict=True):
            data = getattr(self, name)
            if len(data) != 4 * count or not np.isfinite(np.frombuffer(data, np.float32)).all():
                raise ValueError(f"its {name} do not fit its shape")
        if not (np.frombuffer(self.limits, np.float32) > 0).all():
            raise ValueError("its limits are not above 0")


class Learned(msgspec.Struct, frozen=True):
    """Newer ``means`` of the `Normal` that was ``made`` then."""

    made: str
    means: bytes


def read(path: Path) -> Normal:
    """What is normal. ModelError where there is no such file, or another one."""
    try:
        with open_regular(path) as file:
            data = file.read(MOST_BYTES + 1)
        return msgspec.msgpack.decode(data, type=Normal)
    except FileNotFoundError:
        raise ModelError(f"{path}: what is normal has not been taught; {TEACH}") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}; {TEACH}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ModelError(
            f"{path} is not a file of a normal view ({error}); {TEACH} again"
        ) from error


def sha256_of(model: Path) -> str:
    """What tells the content of a model's file from any other; ModelError."""
    return hashlib.sha256(content(model)).hexdigest()


def check(normal: Normal, path: Path, model: Path, data: bytes | None = None) -> None:
    """ModelError where `normal`, read from `path`, is not of the `model`, or of no map of it.

    `data` is the model's content, if that has been read.
    """
    data = content(model) if data is None else data
    if normal.sha256 != hashlib.sha256(data).hexdigest():
        raise ModelError(f"{path} was taught with another model than {model}; {TEACH} again")
    if Map(normal.tensor, normal.shape) not in find(data).maps:
        raise ModelError(f"{path} names a map that {model} does not have; {TEACH} again")


def write(path: Path, normal: Normal) -> None:
    """Put `normal` in the place of what was there, which stays where that fails. ModelError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        write_atomically(path, msgspec.msgpack.encode(normal))
    except PermissionError as error:
        advice = access.advice(path.parent, os.W_OK)
        raise ModelError(f"{path} cannot be written: not permitted; {advice}") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error


def choose_map(maps: Sequence[Map], model: Path) -> Map:
    """The map to compare on: the last with enough positions and few channels. ModelError."""
    fit = [one for one in maps if {*one.shape[:2]} <= {*SIDES} and one.shape[2] <= MOST_CHANNELS]
    if not fit:
        raise ModelError(
            f"{model} has no activation map of {SIDES.start} to {SIDES.stop - 1} positions along "
            "each side, which is what pictures are compared on: use another model, for example a "
            "MobileNet"
        )
    return fit[-1]
