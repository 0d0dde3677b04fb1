"""Raspberry Pi cameras: edged's side over a picamera2 that keeps its contract."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pytest

from edged.cameras.newest import NewestFrame
from edged.cameras.picamera2 import BUFFERS, Picamera2Source, has_camera
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from tests.cameras import fake_picamera2
from tests.cameras.fake_picamera2 import Picamera2
from tests.cameras.scripted import eventually, next_frame


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[Picamera2]:
    return fake_picamera2.install(monkeypatch)


def config(**options: Any) -> CameraConfig:
    return CameraConfig(**{"kind": "picamera2", "width_px": 320, "height_px": 240, **options})


def assert_colour(pixels: Any, colour: tuple[int, int, int], tolerance: int) -> None:
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.array(colour)).max() <= tolerance


def test_whole_frames_have_their_colours_in_the_right_order(library: type[Picamera2]) -> None:
    with Picamera2Source(config(width_px=322)) as source:
        assert source.name == "Raspberry Pi camera 0 (imx708)"
        shot = source.grab()
    pixels = shot.decode(None)
    assert pixels.shape == (240, 322, 3)
    assert_colour(pixels, library.scene, 0)
    assert not shot.reduces


def test_the_camera_itself_makes_the_small_picture_for_the_model(
    library: type[Picamera2],
) -> None:
    with Picamera2Source(config()) as source:
        source.least_px = (48, 48)
        shot = source.grab()
        streams = library.opened[-1].streams
    assert streams["lores"]["size"] == (128, 96)
    reduced = shot.decode((48, 48))
    assert reduced.shape == (48, 48, 3)
    assert_colour(reduced, library.scene, 3)
    assert shot.reduces
    full = shot.decode(None)
    assert full.shape == (240, 320, 3)
    assert_colour(full, library.scene, 3)


@pytest.mark.parametrize("wanted_px", [(47, 48), (25, 26), (120, 160), (119, 3), (1000, 1000)])
@pytest.mark.parametrize("size_px", [(240, 320), (241, 321), (480, 853)])
def test_every_size_is_one_that_the_camera_takes(
    library: type[Picamera2], wanted_px: tuple[int, int], size_px: tuple[int, int]
) -> None:
    camera = config(height_px=size_px[0], width_px=size_px[1], fit="crop")
    with Picamera2Source(camera) as source:
        source.least_px = wanted_px
        pixels = source.grab().decode(wanted_px)
    assert pixels.shape[0] >= min(2 * wanted_px[0], size_px[0] - 1)
    assert pixels.shape[1] >= min(2 * wanted_px[1], size_px[1] - 1)
    assert_colour(pixels, library.scene, 3)


def test_another_model_gets_streams_of_its_own_size_and_older_frames_keep_theirs(
    library: type[Picamera2],
) -> None:
    with Picamera2Source(config()) as source:
        source.least_px = (16, 16)
        before = source.grab()
        source.least_px = (48, 48)
        after = source.grab()
        streams = library.opened[-1].streams
    assert len(library.opened) == 1
    assert streams["lores"]["size"] == (128, 96)
    assert before.decode((16, 16)).shape == (16, 16, 3)
    assert after.decode((48, 48)).shape == (48, 48, 3)
    # Too small for the new model: it comes as it is.
    assert before.decode((48, 48)).shape == (32, 44, 3)
    assert_colour(before.decode((16, 16)), library.scene, 3)


def test_a_frame_stays_whole_after_its_buffer_went_back(library: type[Picamera2]) -> None:
    with Picamera2Source(config()) as source:
        source.least_px = (48, 48)
        shots = [source.grab() for _ in range(3 * BUFFERS)]
    for shot in shots:
        assert_colour(shot.decode((48, 48)), library.scene, 3)
        assert shot.reduces
        assert_colour(shot.decode(None), library.scene, 3)


def test_a_frame_is_as_old_as_its_exposure(library: type[Picamera2]) -> None:
    with Picamera2Source(config()) as source:
        before_s = time.monotonic()
        exposed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        library.metadata = {"SensorTimestamp": exposed_ns}
        captured_s = source.grab().captured_s
    assert captured_s == pytest.approx(before_s, abs=0.1)
    assert captured_s < time.monotonic() - 0.0009


def test_its_exposure_is_known(library: type[Picamera2]) -> None:
    with Picamera2Source(config()) as source:
        assert source.grab().exposure_s is None
        library.metadata = {"ExposureTime": 12500}
        assert source.grab().exposure_s == 0.0125
        library.metadata = {"ExposureTime": 12500, "SensorTimestamp": 0}
        assert source.grab().exposure_s is None


@pytest.mark.parametrize("metadata", [{"SensorTimestamp": 0}, {"SensorTimestamp": None}])
def test_a_time_stamp_that_cannot_be_true_is_replaced(
    library: type[Picamera2], metadata: dict[str, Any]
) -> None:
    library.metadata = metadata
    camera = config(timeout_s=0.5)
    with Picamera2Source(camera) as source:
        before_s = time.monotonic()
        assert before_s <= source.grab().captured_s <= time.monotonic()


def test_the_frame_rate_is_asked_of_the_sensor(library: type[Picamera2]) -> None:
    with Picamera2Source(config(fps=10.0)):
        configuration = library.opened[-1].camera_configuration()
    assert configuration is not None
    assert configuration["controls"]["FrameDurationLimits"] == (100_000, 100_000)


@pytest.mark.parametrize("source", ["1", "ov5647"])
def test_a_camera_is_named_by_its_number_or_its_model(
    library: type[Picamera2], source: str
) -> None:
    library.connected.append({"Model": "ov5647", "Id": "/base/ov5647@36"})
    with Picamera2Source(config(source=source)) as opened:
        assert opened.name == "Raspberry Pi camera 1 (ov5647)"


def test_a_camera_that_is_not_there_is_told_with_those_that_are(
    library: type[Picamera2],
) -> None:
    with pytest.raises(CameraError, match="0 is imx708"):
        Picamera2Source(config(source="7")).__enter__()


def test_no_camera_at_all_is_one_clear_line(library: type[Picamera2]) -> None:
    library.connected.clear()
    with pytest.raises(CameraError, match="no camera found; check its cable"):
        Picamera2Source(config()).__enter__()


def test_a_busy_camera_is_one_clear_line_and_can_be_had_later(library: type[Picamera2]) -> None:
    other = library(0)
    source = Picamera2Source(config())
    with pytest.raises(CameraError, match="no other program uses it"):
        source.__enter__()
    other.close()
    with source:
        assert source.grab().decode(None).shape == (240, 320, 3)


def test_a_camera_that_refuses_its_configuration_is_let_go(
    library: type[Picamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Picamera2, configuration: object) -> None:
        raise RuntimeError("Invalid camera configuration")

    monkeypatch.setattr(library, "configure", refuse)
    with pytest.raises(CameraError, match="Invalid camera configuration"):
        Picamera2Source(config()).__enter__()
    assert library.owned == set()


def test_without_picamera2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="apt install python3-picamera2"):
        Picamera2Source(config()).__enter__()
    assert not has_camera()


def test_a_silent_camera_is_closed_and_opened_again(library: type[Picamera2]) -> None:
    camera = config(retry_min_s=0.001, retry_max_s=0.002)
    with NewestFrame(lambda: Picamera2Source(camera), camera, (48, 48)) as newest:
        assert next_frame(newest, (48, 48)).pixels.shape == (48, 48, 3)
        library.stopped_sensor = True
        eventually(lambda: newest.error is not None and "no frame" in newest.error)
        eventually(lambda: len(library.opened) > 2)
        library.stopped_sensor = False
        eventually(lambda: newest.error is None)
        assert next_frame(newest, (48, 48)).pixels.shape == (48, 48, 3)
    eventually(lambda: not library.owned)


def test_has_camera_tells_whether_one_is_connected(library: type[Picamera2]) -> None:
    assert has_camera()
    library.connected.clear()
    assert not has_camera()
