"""CIFAR-10 pictures as arrays, and the split that choices are made on.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, 2009.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 32
VALIDATION_PER_CLASS = 200
SPLIT_SEED = 1


@dataclass(frozen=True)
class Pictures:
    """Pictures with their classes.

    ``pixels`` is uint8 ``[n, 3, 32, 32]`` (RGB, 0..255), ``classes`` is int64 ``[n]`` and indexes
    ``labels``.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, indices: NDArray[np.int64]) -> Pictures:
        """Return the pictures at ``indices``."""
        return Pictures(self.pixels[indices], self.classes[indices], self.labels)


def read_zip(path: Path) -> Pictures:
    """Decode a zip of ``CLASS/NAME.jpg``; the classes are numbered in alphabetical order.

    Pictures of another size are resized.
    """
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = tuple(sorted({name.split("/")[0] for name in names}))
        pixels = np.empty((len(names), 3, SIDE_PX, SIDE_PX), np.uint8)
        for index, name in enumerate(names):
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                rgb = picture.convert("RGB")
                if rgb.size != (SIDE_PX, SIDE_PX):
                    rgb = rgb.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
                pixels[index] = np.asarray(rgb).transpose(2, 0, 1)
    classes = np.array([labels.index(name.split("/")[0]) for name in names], np.int64)
    return Pictures(pixels, classes, labels)


def hold_out(pictures: Pictures, per_class: int, seed: int) -> tuple[Pictures, Pictures]:
    """Split into a training part and a validation part of ``per_class`` pictures of each class."""
    order = np.random.default_rng(seed).permutation(len(pictures))
    validation = np.concatenate(
        [
            order[pictures.classes[order] == index][:per_class]
            for index in range(len(pictures.labels))
        ]
    )
    training = np.setdiff1d(order, validation)
    return pictures.take(training), pictures.take(np.sort(validation))
