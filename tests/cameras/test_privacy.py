"""What nobody is to see is black before anybody looks."""

from __future__ import annotations

import numpy as np
import pytest

from edged.cameras.orient import orient
from edged.config.schema import CameraConfig
from edged.core import Pixels

LEFT_HALF = ((0.0, 0.0), (0.5, 1.0))


def white(height: int = 40, width: int = 60) -> Pixels:
    return np.full((height, width, 3), 255, np.uint8)


def test_a_rectangle_is_black_with_a_pixel_around_it() -> None:
    seen = orient(white(), CameraConfig(privacy=(((0.25, 0.25), (0.5, 0.5)),)))
    assert not seen[9:22, 14:32].any()
    assert (seen[:8] == 255).all()
    assert (seen[:, 33:] == 255).all()


@pytest.mark.parametrize(
    "corners", [((0.5, 0.5), (0.25, 0.25)), ((0.5, 0.25), (0.25, 0.5)), ((0.25, 0.5), (0.5, 0.25))]
)
def test_any_two_corners_are_a_rectangle(corners: tuple[tuple[float, float], ...]) -> None:
    expected = orient(white(), CameraConfig(privacy=(((0.25, 0.25), (0.5, 0.5)),)))
    assert np.array_equal(orient(white(), CameraConfig(privacy=(corners,))), expected)


def test_a_polygon_is_black_inside_alone() -> None:
    triangle = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    seen = orient(white(60, 60), CameraConfig(privacy=(triangle,)))
    assert not seen[10, 10].any()
    assert (seen[50, 50] == 255).all()


def test_all_of_several_are_black() -> None:
    seen = orient(white(), CameraConfig(privacy=(LEFT_HALF, ((0.5, 0.0), (1.0, 0.4)))))
    assert not seen[:, :30].any()
    assert not seen[:16].any()
    assert (seen[19:, 32:] == 255).all()


def test_the_mask_is_of_the_whole_upright_picture_whatever_the_region() -> None:
    camera = CameraConfig(privacy=(LEFT_HALF,), region=(0.25, 0.0, 0.5, 1.0))
    seen = orient(white(), camera)
    assert seen.shape == (40, 30, 3)
    assert not seen[:, :15].any()
    assert (seen[:, 17:] == 255).all()


def test_the_mask_is_of_the_picture_as_it_is_turned() -> None:
    camera = CameraConfig(privacy=(LEFT_HALF,), rotate_deg=90, flip="horizontal")
    seen = orient(white(), camera)
    assert seen.shape == (60, 40, 3)
    assert not seen[:, :20].any()
    assert (seen[:, 22:] == 255).all()


def test_a_smaller_picture_shows_nothing_more() -> None:
    whole = orient(white(480, 640), CameraConfig(privacy=(((0.3, 0.3), (0.6, 0.6)),)))
    small = orient(white(48, 64), CameraConfig(privacy=(((0.3, 0.3), (0.6, 0.6)),)))
    hidden = whole.reshape(48, 10, 64, 10, 3).min(axis=(1, 3)) == 0
    assert not small[hidden].any()


def test_what_the_device_has_is_not_written_to() -> None:
    device = white()
    device.flags.writeable = False
    assert not orient(device, CameraConfig(privacy=(((0.0, 0.0), (1.0, 1.0)),))).any()
    assert device.all()
