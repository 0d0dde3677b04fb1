"""The array over Pillow's memory is the picture, and outlives it."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from PIL import Image

from edged.imaging import arrow


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8))


def test_the_array_is_the_picture_without_a_copy(picture: Image.Image) -> None:
    pixels = arrow.rgb(picture)

    assert (pixels == np.asarray(picture)).all()
    picture.putpixel((3, 2), (1, 2, 3))
    assert pixels[2, 3].tolist() == [1, 2, 3]


def test_nobody_writes_to_it(picture: Image.Image) -> None:
    with pytest.raises(ValueError, match="read-only"):
        arrow.rgb(picture)[0, 0, 0] = 1


def test_it_outlives_the_picture(picture: Image.Image) -> None:
    expected = np.asarray(picture)
    row = arrow.rgb(picture)[5]
    del picture
    gc.collect()
    for _ in range(20):
        Image.new("RGB", (40, 30), "red")

    assert (row == expected[5]).all()


def test_a_picture_in_several_pieces_is_copied() -> None:
    wide = Image.new("RGB", (4096, 2048), (1, 2, 3))

    assert (arrow.rgb(wide) == [1, 2, 3]).all()


def test_a_pillow_that_shares_nothing_is_copied_from(
    picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Image.Image, "__arrow_c_array__")

    assert (arrow.rgb(picture) == np.asarray(picture)).all()
