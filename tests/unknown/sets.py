"""Pictures that models know, and pictures of other things, from ../shared/data and made here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from edged.core import Pixels
from edged.evaluation import made
from edged.evaluation.dataset import Dataset, open_dataset
from edged.evaluation.unknown import Fit, Seen
from tests.conftest import SHARED_DATA

CIFAR10 = SHARED_DATA / "training/cifar10/test.zip"
IMAGENET = SHARED_DATA / "imagenet-sample/labels.csv"
DIGITS = SHARED_DATA / "training/sign-digits.zip"
GROCERIES = SHARED_DATA / "training/grocery.zip"

LIKE_THE_TEN = (
    *range(7, 25), *range(30, 33), *range(80, 101), *range(127, 147), *range(151, 294),
    *range(339, 356), 403, 404, 405, 407, 436, 449, 468, 472, 484, 510, 511, 536, 554, 555, 565,
    569, 573, 575, 576, 609, 625, 627, 628, 654, 656, 661, 675, 705, 717, 724, 734, 751, 779, 780,
    803, 814, 817, 829, 833, 847, 864, 866, 867, 871, 874, 895, 908, 913, 914, 9,
)  # fmt: skip
"""ImageNet's classes of birds, frogs, cats, dogs and their kin, hoofed animals, aircraft, ships and
other boats, cars and other vehicles, numbered from 0: what is one of CIFAR-10's ten, or nearly."""

TEXTURES = ("brick.png", "grass.png", "gravel.png")
CROPS = 133
"""Of each texture, between 48 and 400 pixels wide."""


def open_limited(path: Path, limit: int | None = None) -> Dataset:
    """The pictures at `path`, evenly spread over all of them."""
    return open_dataset(path, labelled=False).limited(limit)


def none_of_the_ten() -> Dataset:
    """The pictures of ../shared/data/imagenet-sample that show nothing that CIFAR-10 has."""
    dataset = open_dataset(IMAGENET)
    kept = [e for e in dataset.examples if int(e.columns["index1001"]) - 1 not in LIKE_THE_TEN]
    return Dataset(dataset.source, kept, dataset.columns, dataset.read)


def textures(seed: int = 1) -> Iterator[Pixels]:
    """Parts of scikit-image's photographs of textures, grey."""
    import skimage.data

    rng = np.random.Generator(np.random.PCG64(seed))
    for name in TEXTURES:
        texture = getattr(skimage.data, Path(name).stem)()
        for _ in range(CROPS):
            side = int(rng.integers(48, 400))
            y = int(rng.integers(0, texture.shape[0] - side))
            x = int(rng.integers(0, texture.shape[1] - side))
            yield np.repeat(texture[y : y + side, x : x + side, None], 3, 2)


def unknown_to_cifar10(fit: Fit, limit: int | None = None) -> dict[str, Seen]:
    """What the model behind `fit` says of each set of pictures that are none of the ten."""
    natural = {
        "hands (sign digits)": open_limited(DIGITS, limit),
        "groceries": open_limited(GROCERIES, limit),
        "ImageNet, none of the ten": none_of_the_ten().limited(limit),
    }
    found = {name: fit.look(dataset) for name, dataset in natural.items()}
    return found | _made(fit, limit)


def unknown_to_imagenet(fit: Fit, limit: int | None = None) -> dict[str, Seen]:
    """The same for models of ImageNet's classes; some groceries are among these."""
    natural = {
        "hands (sign digits)": open_limited(DIGITS, limit),
        "groceries": open_limited(GROCERIES, limit),
        "CIFAR-10, 32x32": open_limited(CIFAR10, limit or 1000),
    }
    found = {name: fit.look(dataset) for name, dataset in natural.items()}
    return found | _made(fit, limit)


def _made(fit: Fit, limit: int | None) -> dict[str, Seen]:
    found = {"textures": fit.see(_first(textures(), limit))}
    for name, pictures in made.sets():
        found[name] = fit.see(_first(pictures, limit))
    return found


def _first(pictures: Iterable[Pixels], limit: int | None) -> list[Pixels]:
    every = list(pictures)
    step = 1 if limit is None else max(len(every) // limit, 1)
    return every[::step]


def changed(fit: Fit, dataset: Dataset, change: Callable[[Pixels], Pixels]) -> Seen:
    """Known pictures as a camera may see them."""
    return fit.see(change(pixels) for pixels in fit.pictures(dataset))
