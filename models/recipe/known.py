"""What the model knows, for edged to tell the unknown: fitted on what it was trained on.

The threshold is that of the pictures held out of training. Run by itself, as
``python -m models.recipe.known``, it does this for the model that is here; it needs no torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edged.config.schema import Config, ModelConfig
from edged.core import Pixels
from edged.evaluation import unknown
from edged.perception import reference
from models.recipe.pictures import (
    SPLIT_SEED,
    VALIDATION_PER_CLASS,
    Pictures,
    hold_out,
    read_zip,
)

MODEL = Path(__file__).resolve().parent.parent / "edged-cifar10-int8.tflite"


def write(model: Path, seen: Pictures, validation: Pictures) -> Path:
    """Fit and write ``known/MODEL.known``; returns where."""
    with unknown.Fit(Config(model=ModelConfig(path=str(model)))) as fit:
        step = -(-len(seen) // unknown.PICTURES_MAX)
        fitted, _ = fit.fit(
            fit.see(each(seen, step)),
            fit.see(each(validation)),
            "CIFAR-10",
        )
    place = model.parent / "known" / reference.path_of(model).name
    place.parent.mkdir(exist_ok=True)
    reference.write(place, fitted)
    return place


def each(pictures: Pictures, step: int = 1) -> Iterator[Pixels]:
    """Every `step`-th picture as edged reads it, (height, width, 3)."""
    for pixels in pictures.pixels[::step]:
        yield np.ascontiguousarray(pixels.transpose(1, 2, 0))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.recipe.known", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/training/cifar10"),
                        help="folder of train.zip")  # fmt: skip
    pictures = read_zip(parser.parse_args().data / "train.zip")
    print(write(MODEL, *hold_out(pictures, VALIDATION_PER_CLASS, SPLIT_SEED)))


if __name__ == "__main__":
    main()
