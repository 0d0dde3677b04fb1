"""What is wrong with the whole view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from edged.anomaly.view import View
from edged.core import Pixels
from edged.imaging.resample import resample
from tests.anomaly.views import place, shot, with_thing


def seen(picture: Pixels, seed: int, light: Any = 1.0) -> Pixels:
    """A frame at the size of a model."""
    picture_of_model = np.empty((112, 112, 3), np.uint8)
    resample(shot(picture, seed, light), picture_of_model)
    return picture_of_model


VIEW = View.of(seen(place(), 0))


def blurred(radius: float) -> Pixels:
    return np.asarray(Image.fromarray(place()).filter(ImageFilter.GaussianBlur(radius)))


@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (np.full((240, 320, 3), 30, np.uint8), "view blocked"),
        (np.full((240, 320, 3), 200, np.uint8), "view blocked"),
        (blurred(3), "view out of focus"),
        (blurred(6), "view out of focus"),
        (np.roll(place(), 30, 1), "view moved"),
        (np.roll(place(), -40, 0), "view moved"),
        (with_thing(place()), None),
        (place(5), None),
    ],
    ids=["dark", "white", "soft", "softer", "right", "up", "thing", "elsewhere"],
)
def test_a_fault_has_its_name(pixels: Pixels, fault: str | None) -> None:
    assert VIEW.fault(seen(pixels, 9)) == fault


@pytest.mark.parametrize("make", [lambda: 0.6, lambda: 1.4, lambda: (1.2, 1.0, 0.8)])
def test_light_is_no_fault(make: Callable[[], float]) -> None:
    assert VIEW.fault(seen(place(), 9, make())) is None


def test_a_picture_of_another_size_is_none() -> None:
    with pytest.raises(ValueError, match="another size"):
        View(b"", 1.0)
