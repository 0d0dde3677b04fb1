"""Upright pictures: where each pixel goes, and how many a source must deliver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.cameras.orient import exact_px, needed_px, orient, reduced_px
from edged.config.schema import CameraConfig
from edged.core import Pixels


def picture(rows: list[list[int]]) -> Pixels:
    return np.repeat(np.array(rows, np.uint8)[:, :, None], 3, axis=2)


ABC = picture([[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[1, 2, 3], [4, 5, 6]]),
        ({"rotate_deg": 90}, [[4, 1], [5, 2], [6, 3]]),
        ({"rotate_deg": 180}, [[6, 5, 4], [3, 2, 1]]),
        ({"rotate_deg": 270}, [[3, 6], [2, 5], [1, 4]]),
        ({"flip": "horizontal"}, [[3, 2, 1], [6, 5, 4]]),
        ({"flip": "vertical"}, [[4, 5, 6], [1, 2, 3]]),
        ({"flip": "both"}, [[6, 5, 4], [3, 2, 1]]),
        ({"rotate_deg": 90, "flip": "horizontal"}, [[1, 4], [2, 5], [3, 6]]),
        ({"region": (0.34, 0.0, 0.33, 1.0)}, [[2], [5]]),
        ({"region": (0.0, 0.5, 1.0, 0.5)}, [[4, 5, 6]]),
        ({"rotate_deg": 90, "region": (0.0, 0.0, 0.5, 1.0)}, [[4], [5], [6]]),
        ({"region": (0.0, 0.0, 0.0, 0.0)}, [[1]]),
        ({"region": (1.0, 1.0, 0.0, 0.0)}, [[6]]),
        ({"region": (0.9, 0.0, 1.0, 1.0)}, [[3], [6]]),
    ],
)
def test_each_pixel_goes_where_the_configuration_says(
    options: dict[str, Any], expected: list[list[int]]
) -> None:
    upright = orient(ABC, CameraConfig(**options))
    assert upright.tolist() == picture(expected).tolist()
    assert np.shares_memory(upright, ABC)


@pytest.mark.parametrize(
    ("options", "expected_px"),
    [
        ({}, (96, 128)),
        ({"rotate_deg": 90}, (128, 96)),
        ({"rotate_deg": 180}, (96, 128)),
        ({"region": (0.5, 0.5, 0.5, 0.5)}, (194, 258)),
        ({"rotate_deg": 270, "region": (0.0, 0.0, 1.0, 0.5)}, (128, 194)),
    ],
)
def test_a_source_is_told_how_large_a_whole_frame_must_be(
    options: dict[str, Any], expected_px: tuple[int, int]
) -> None:
    assert needed_px(CameraConfig(**options), (96, 128)) == expected_px


def test_all_pixels_stay_all_pixels() -> None:
    assert needed_px(CameraConfig(), None) is None
    assert reduced_px((480, 640), None) == (480, 640)


@given(
    x=st.floats(0.0, 0.9),
    y=st.floats(0.0, 0.9),
    width=st.floats(0.05, 1.0),
    height=st.floats(0.05, 1.0),
    rotate_deg=st.sampled_from([0, 90, 180, 270]),
)
def test_a_frame_of_the_needed_size_has_enough_pixels_in_its_region(
    x: float, y: float, width: float, height: float, rotate_deg: Any
) -> None:
    region = (x, y, min(width, 1.0 - x), min(height, 1.0 - y))
    camera = CameraConfig(region=region, rotate_deg=rotate_deg)
    least_px = needed_px(camera, (32, 24))
    assert least_px is not None
    upright = orient(np.zeros((*least_px, 3), np.uint8), camera)
    assert upright.shape[0] >= 32
    assert upright.shape[1] >= 24


@pytest.mark.parametrize(
    ("size_px", "least_px", "expected_px"),
    [
        ((480, 640), (224, 224), (448, 598)),
        ((480, 640), (96, 96), (192, 256)),
        ((640, 480), (224, 224), (598, 448)),
        ((480, 640), (480, 640), (480, 640)),
        ((480, 640), (1000, 1000), (480, 640)),
        ((480, 640), (241, 300), (480, 640)),
    ],
)
def test_a_frame_shrinks_evenly_to_twice_what_both_sides_need(
    size_px: tuple[int, int], least_px: tuple[int, int], expected_px: tuple[int, int]
) -> None:
    assert reduced_px(size_px, least_px) == expected_px


@pytest.mark.parametrize(
    ("options", "least_px", "expected_px"),
    [
        ({}, (96, 96), (96, 96)),
        ({"rotate_deg": 90, "flip": "both"}, (96, 64), (96, 64)),
        ({}, (480, 640), (480, 640)),
        ({}, (481, 640), None),
        ({}, None, None),
        ({"fit": "crop"}, (96, 96), None),
        ({"region": (0.0, 0.0, 0.5, 1.0)}, (96, 96), None),
    ],
)
def test_a_frame_is_resized_at_once_only_where_the_model_would_resize_all_of_it(
    options: dict[str, Any],
    least_px: tuple[int, int] | None,
    expected_px: tuple[int, int] | None,
) -> None:
    assert exact_px(CameraConfig(**options), (480, 640), least_px) == expected_px
