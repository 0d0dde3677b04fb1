"""A model whose answers can be worked out, and pictures for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.inference import builder

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def paint(path: Path, colour: tuple[int, int, int], mark: int = 0) -> None:
    """A plain PNG of 32 x 32; `mark` gives one pixel another value, so that no two are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((32, 32, 3), colour, np.uint8)
    pixels[0, 0] = mark
    Image.fromarray(pixels).save(path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Tells red, green and blue apart, uint8, with its labels beside it."""
    (tmp_path / "colours.txt").write_text("red\ngreen\nblue\n")
    return builder.colours(tmp_path / "colours.tflite", "uint8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three red pictures, two green ones, and one labelled red that is blue."""
    folder = tmp_path / "data"
    for number in range(3):
        paint(folder / f"red/{number}.png", COLOURS["red"], number)
    for number in range(2):
        paint(folder / f"green/{number}.png", COLOURS["green"], number)
    paint(folder / "red/odd.png", COLOURS["blue"])
    return folder
