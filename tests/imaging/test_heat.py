"""What is different, in red."""

from __future__ import annotations

import numpy as np

from edged.core import Heat
from edged.imaging.heat import with_heat

GREY = np.full((140, 280, 3), 100, np.uint8)


def heat(row: int, column: int, score: float = 1.0) -> np.ndarray:
    scores = np.zeros((14, 14), np.float32)
    scores[row, column] = score
    return scores


def redness(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0].astype(int) - picture[..., 2]


def test_a_hot_place_is_red_and_the_rest_as_it_was() -> None:
    drawn = with_heat(GREY, Heat(heat(3, 10), (0, 0, 1, 1)))
    row, column = np.unravel_index(redness(drawn).argmax(), drawn.shape[:2])
    assert (row // 10, column // 20) == (3, 10)
    assert redness(drawn).max() > 100
    assert (drawn[60:] == GREY[60:]).all()
    assert (GREY == 100).all()


def test_of_a_cropped_picture_the_heat_lies_in_the_middle() -> None:
    drawn = with_heat(GREY, Heat(heat(0, 0), (0.25, 0, 0.75, 1)))
    row, column = np.unravel_index(redness(drawn).argmax(), drawn.shape[:2])
    assert (row // 10, (column - 70) // 10) == (0, 0)
    assert (drawn[:, :70] == 100).all()


def test_a_picture_without_heat_is_the_same() -> None:
    assert with_heat(GREY, Heat(heat(3, 10, 0.2), (0, 0, 1, 1))) is GREY


def test_a_picture_of_one_pixel_has_room_for_it() -> None:
    drawn = with_heat(GREY[:1, :1], Heat(np.ones((14, 14), np.float32), (0.25, 0, 0.75, 1)))
    assert redness(drawn).max() > 50
