"""V4L2 cameras, over a kernel that keeps V4L2's rules."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edged.cameras import v4l2
from edged.cameras.newest import NewestFrame
from edged.cameras.pace import sleep_until
from edged.cameras.raw import FORMATS
from edged.cameras.v4l2 import BUFFERS, V4l2Source, choose_format, first_camera
from edged.config.schema import CameraConfig
from edged.errors import CameraError
from edged.imaging.resample import resample
from edged.native import kernels
from tests.cameras.fake_v4l2 import (
    ERROR,
    METADATA,
    MONOTONIC,
    OVERLAY,
    READ_ONLY,
    STREAMING_CAPTURE,
    FakeCamera,
    FakeKernel,
)
from tests.cameras.scripted import LIMIT_S, eventually, next_frame

SIZE = (32, 16)
SMALL = {"YUYV": {SIZE: 30.0}}


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeKernel, None, None]:
    monkeypatch.setattr(v4l2, "DEV", tmp_path)
    kernel = FakeKernel(tmp_path, monkeypatch)
    yield kernel
    kernel.close()


def config(**options: Any) -> CameraConfig:
    wanted = {"kind": "v4l2", "width_px": SIZE[0], "height_px": SIZE[1], "timeout_s": LIMIT_S}
    return CameraConfig(**{**wanted, **options})


def yuyv(luma: int, size: tuple[int, int] = SIZE) -> bytes:
    return bytes([luma, 128]) * (size[0] * size[1])


def jpeg(value: int, size: tuple[int, int] = SIZE) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(data, "JPEG", quality=95)
    return data.getvalue()


def test_the_first_camera_delivers_rgb_with_the_drivers_time_stamp(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, SMALL, card="USB Camera")
    with V4l2Source(config(fps=15.0)) as source:
        assert source.name == f"{camera.path} (USB Camera)"
        captured_s = round(time.monotonic(), 6)
        camera.expose(yuyv(200), captured_s)
        shot = source.grab()
    assert shot.captured_s == pytest.approx(captured_s, abs=1e-6)
    pixels = shot.decode(None)
    assert pixels.shape == (16, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() == 0.0
    assert shot.reduces
    assert shot.decode((8, 24)).shape == (8, 24, 3)
    assert camera.fps == 15.0


def test_a_frame_stays_whole_when_the_driver_fills_its_buffer_again(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    with V4l2Source(config()) as source:
        camera.expose(bytes([50]) * 512)
        shot = source.grab()
        for _ in range(BUFFERS):
            camera.expose(bytes([99]) * 512)
    assert (shot.decode(None) == 50).all()


def test_of_the_frames_that_wait_the_newest_is_taken(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    with V4l2Source(config()) as source:
        for value in (10, 20, 30):
            camera.expose(bytes([value]) * 512)
        assert (source.grab().decode(None) == 30).all()
        camera.expose(bytes([40]) * 512)
        assert (source.grab().decode(None) == 40).all()


def test_every_buffer_goes_back_to_the_driver(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    with V4l2Source(config()) as source:
        for value in range(5 * BUFFERS):
            camera.expose(bytes([value]) * 512)
            assert (source.grab().decode(None) == value).all()


@pytest.mark.parametrize(
    ("flags", "age_s"), [(0, 0.0), (MONOTONIC, 1e6), (MONOTONIC, -1e6), (0x4000, 0.0)]
)
def test_a_time_stamp_that_cannot_be_true_is_replaced(
    kernel: FakeKernel, flags: int, age_s: float
) -> None:
    camera = kernel.plug(0, SMALL)
    with V4l2Source(config()) as source:
        before_s = time.monotonic()
        camera.expose(yuyv(1), max(0.0, before_s - age_s), flags)
        captured_s = source.grab().captured_s
    assert before_s <= captured_s <= time.monotonic()


def test_frames_that_the_driver_calls_broken_or_empty_are_left_out(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    with V4l2Source(config(timeout_s=0.05, first_frame_s=0.05)) as source:
        camera.expose(bytes([10]) * 512, flags=ERROR)
        with pytest.raises(CameraError, match="only damaged frames"):
            source.grab()
        camera.expose(b"")
        with pytest.raises(CameraError, match="only damaged frames"):
            source.grab()
        camera.expose(bytes([20]) * 512)
        assert (source.grab().decode(None) == 20).all()


def test_a_camera_of_nothing_but_broken_frames_is_given_up(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    over = threading.Event()

    def expose() -> None:
        while not over.wait(0.002):
            camera.expose(bytes(512), flags=ERROR)

    exposing = threading.Thread(target=expose)
    with V4l2Source(config(timeout_s=0.1)) as source:
        exposing.start()
        try:
            with pytest.raises(CameraError, match="only damaged frames"):
                source.grab()
        finally:
            over.set()
            exposing.join()


def test_closing_ends_the_wait_for_a_frame(kernel: FakeKernel) -> None:
    kernel.plug(0, SMALL)
    closing = threading.Event()
    with V4l2Source(config(), sleep=sleep_until(closing)) as source:
        closing.set()
        with pytest.raises(CameraError, match="closed"):
            source.grab()


def test_the_first_frame_may_take_longer_than_the_next(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    with V4l2Source(config(timeout_s=0.05, first_frame_s=LIMIT_S)) as source:
        threading.Timer(0.3, camera.expose, (bytes(512),)).start()
        source.grab()
        with pytest.raises(CameraError, match=r"no frame for 0\.05 s"):
            source.grab()


def test_jpeg_frames_are_decoded_as_small_as_the_model_allows(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"MJPG": {(1280, 720): 30.0}})
    with V4l2Source(config(width_px=1280, height_px=720)) as source:
        camera.expose(jpeg(128, (1280, 720)))
        shot = source.grab()
    reduced = shot.decode((96, 96))
    assert reduced.shape == (360, 640, 3)
    assert np.abs(reduced.astype(int) - 128).max() <= 2
    assert shot.reduces
    assert shot.decode(None).shape == (720, 1280, 3)


def test_a_damaged_jpeg_frame_is_a_camera_error_of_one_line(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"MJPG": {SIZE: 30.0}})
    with V4l2Source(config()) as source:
        camera.expose(b"\xff\xd8 this is no picture")
        shot = source.grab()
        with pytest.raises(CameraError, match="damaged JPEG"):
            shot.decode(None)


@pytest.mark.parametrize("padding_bytes", [0, 16])
@pytest.mark.parametrize("fourcc", ["YUYV", "NV12", "YU12", "RGB3", "GREY"])
def test_lines_may_be_padded_in_every_format(
    kernel: FakeKernel, fourcc: str, padding_bytes: int
) -> None:
    width, height = SIZE
    camera = kernel.plug(0, {fourcc: {SIZE: 30.0}}, padding_bytes=padding_bytes)
    neutral = bytes([128]) * ((width + padding_bytes) * height // 2)
    line = {"YUYV": bytes([128]) * (2 * width), "RGB3": bytes([128]) * (3 * width)}.get(
        fourcc, bytes([128]) * width
    )
    padding = bytes([255]) * padding_bytes
    data = (line + padding) * height
    if fourcc in ("NV12", "YU12"):
        data += neutral
    with V4l2Source(config()) as source:
        camera.expose(data)
        pixels = source.grab().decode(None)
    assert pixels.shape == (height, width, 3)
    assert pixels.min() == pixels.max()
    assert abs(int(pixels[0, 0, 0]) - 128) <= 3


@pytest.mark.parametrize(("fourcc", "colour"), [("RGB3", (1, 2, 3)), ("BGR3", (3, 2, 1))])
def test_bgr_is_turned_into_rgb(
    kernel: FakeKernel, fourcc: str, colour: tuple[int, int, int]
) -> None:
    camera = kernel.plug(0, {fourcc: {SIZE: 30.0}})
    with V4l2Source(config()) as source:
        camera.expose(bytes(colour) * 512)
        assert source.grab().decode(None)[5, 5].tolist() == [1, 2, 3]


@pytest.mark.parametrize("fourcc", [*FORMATS])
def test_a_raw_frame_is_converted_into_given_memory_as_it_is_decoded(
    kernel: FakeKernel, fourcc: str
) -> None:
    camera = kernel.plug(0, {fourcc: {SIZE: 30.0}})
    noise = np.random.default_rng(3).integers(0, 256, 3 * 512, np.uint8).tobytes()
    with V4l2Source(config()) as source:
        camera.expose(noise)
        shot = source.grab()
    for size_px in ((16, 32), (4, 8)):
        out = bytearray(3 * size_px[0] * size_px[1])
        shot.raw.convert(memoryview(out).cast("B", (*size_px, 3)))
        expected = np.empty((*size_px, 3), np.uint8)
        resample(shot.decode(size_px), expected)
        assert bytes(out) == expected.tobytes()


WITHOUT_NUMPY = """
import sys
import edged.cameras.isolation.child, edged.cameras.isolation.server
import edged.cameras.isolation.reach, edged.cameras.orient, edged.cameras.v4l2
from edged.cameras.raw import RawFrame
out = memoryview(bytearray(32 * 32 * 3)).cast("B", (32, 32, 3))
for fourcc, size in ("YUYV", 2.0), ("NV12", 1.5), ("YU12", 1.5):
    RawFrame("", fourcc, bytes(int(64 * 48 * size)), 64, 48, 0).convert(out)
print({"numpy", "PIL", "asyncio", "ssl", "msgspec"} & {*sys.modules})
"""


@pytest.mark.skipif(kernels is None, reason="the extension _kernels is not built here")
def test_the_process_of_a_usb_camera_has_what_yuv_needs_and_no_more() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


def test_a_frame_of_which_a_part_is_missing_is_damaged(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, SMALL)
    with V4l2Source(config()) as source:
        camera.expose(yuyv(1)[:-1])
        with pytest.raises(CameraError, match="missing"):
            source.grab().decode(None)


def test_the_driver_may_give_another_size_than_asked(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {(64, 48): 30.0}})
    with V4l2Source(config(width_px=100, height_px=100)) as source:
        camera.expose(bytes([7]) * (64 * 48))
        assert source.grab().decode(None).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("width_px", "height_px", "fps", "expected"),
    [
        (640, 480, 30.0, "YUYV"),
        (1280, 720, 30.0, "MJPG"),
        (640, 480, 60.0, "MJPG"),
        (640, 480, 120.0, "MJPG"),
        (320, 240, 30.0, "YUYV"),
    ],
)
def test_raw_frames_win_where_they_are_small_and_fast_enough(
    width_px: int, height_px: int, fps: float, expected: str
) -> None:
    rates = {"YUYV": 29.97, "MJPG": 60.0}
    camera = CameraConfig(width_px=width_px, height_px=height_px, fps=fps)
    assert choose_format(["MJPG", "YUYV", "H264"], camera, rates.__getitem__) == expected


def test_a_format_wins_where_it_is_the_only_one() -> None:
    def not_asked(fourcc: str) -> float:
        raise AssertionError(fourcc)

    assert choose_format(["YUYV"], CameraConfig(width_px=1920), not_asked) == "YUYV"
    assert choose_format(["MJPG"], CameraConfig(), not_asked) == "MJPG"
    assert choose_format(["H264"], CameraConfig(), not_asked) is None


def test_when_neither_format_is_fast_enough_raw_wins_a_tie() -> None:
    rates = {"YUYV": 30.0, "MJPG": 30.0}
    assert choose_format(rates, CameraConfig(fps=60.0), rates.__getitem__) == "YUYV"


def test_the_first_camera_is_the_one_with_the_lowest_number_that_captures(
    kernel: FakeKernel,
) -> None:
    kernel.plug(10, SMALL)
    kernel.plug(0, SMALL, capabilities=METADATA)
    kernel.plug(1, SMALL, driver="bcm2835-isp")
    (kernel.folder / "video1x").touch()
    second = kernel.plug(2, SMALL)
    (kernel.folder / "video3").touch()
    assert first_camera() == second.path


def test_a_camera_is_named_by_its_number_or_its_path(kernel: FakeKernel) -> None:
    kernel.plug(0, SMALL)
    second = kernel.plug(1, SMALL, card="Second")
    for source in ("1", str(second.path)):
        with V4l2Source(config(source=source)) as opened:
            assert opened.name == f"{second.path} (Second)"


def busy(camera: FakeCamera) -> None:
    camera.busy = True


def without_buffers(camera: FakeCamera) -> None:
    camera.most_buffers = 0


@pytest.mark.parametrize(
    ("formats", "details", "before", "expected"),
    [
        (SMALL, {}, busy, "another program uses it"),
        ({"H264": {SIZE: 30.0}}, {}, None, "no pixel format in common; it has H264"),
        (SMALL, {"capabilities": METADATA}, None, "does not capture video"),
        (SMALL, {"capabilities": READ_ONLY}, None, "has no streaming"),
        (SMALL, {}, without_buffers, "no memory for its frames"),
        ({}, {}, None, "it offers no pixel format; check what feeds it"),
        ({"A\0\x1bB": {SIZE: 30.0}}, {}, None, r"it has A\\x00\\x1bB"),
    ],
)
def test_what_is_wrong_with_a_camera_is_one_clear_line(
    kernel: FakeKernel, formats: Any, details: Any, before: Any, expected: str
) -> None:
    camera = kernel.plug(0, formats, **details)
    if before is not None:
        before(camera)
    source = V4l2Source(config(source="0"))
    with pytest.raises(CameraError, match=expected) as told:
        source.__enter__()
    assert str(camera.path) in str(told.value)
    assert "\n" not in str(told.value)
    assert camera.mapped == 0


@pytest.mark.parametrize(
    ("ioctl", "number", "expected"),
    [
        ("QUERYCAP", errno.EACCES, "add edged's user to the group video"),
        ("STREAMON", errno.ENOSPC, "the USB bus is full"),
        ("STREAMON", errno.EIO, "Input/output error; plug it in again"),
        ("STREAMON", errno.ENOTTY, "Inappropriate ioctl for device; plug it in again"),
    ],
)
def test_what_the_kernel_refuses_is_told_with_what_to_do(
    kernel: FakeKernel, ioctl: str, number: int, expected: str
) -> None:
    camera = kernel.plug(0, SMALL)
    camera.refuses[ioctl] = number
    with pytest.raises(CameraError, match=expected):
        V4l2Source(config(source="0")).__enter__()
    assert camera.mapped == 0


def test_a_camera_that_may_not_be_opened_is_told_where_no_other_can(kernel: FakeKernel) -> None:
    forbidden = kernel.plug(0, SMALL)
    forbidden.refuses["QUERYCAP"] = errno.EACCES
    with pytest.raises(CameraError, match="group video") as told:
        first_camera()
    assert str(forbidden.path) in str(told.value)
    allowed = kernel.plug(1, SMALL)
    assert first_camera() == allowed.path


def test_a_driver_may_make_fewer_buffers(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    camera.most_buffers = 1
    with V4l2Source(config()) as source:
        for value in (1, 2):
            camera.expose(bytes([value]) * 512)
            assert (source.grab().decode(None) == value).all()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTTY, errno.ENODATA, errno.EPIPE])
def test_drivers_end_their_lists_in_many_ways(kernel: FakeKernel, number: int) -> None:
    camera = kernel.plug(0, {"YUYV": {SIZE: 30.0}, "MJPG": {SIZE: 30.0}})
    camera.at_the_end = number
    with V4l2Source(config()) as source:
        camera.expose(yuyv(1))
        assert source.grab().decode(None).shape == (16, 32, 3)


def test_a_list_that_begins_again_has_an_end(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"YUYV": {SIZE: 30.0}, "MJPG": {SIZE: 30.0}})
    camera.begins_again = True
    with V4l2Source(config()) as source:
        camera.expose(yuyv(1))
        assert source.grab().decode(None).shape == (16, 32, 3)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSYS])
def test_a_driver_that_does_not_tell_its_rates_is_as_fast_as_any(
    kernel: FakeKernel, number: int
) -> None:
    camera = kernel.plug(0, {"YUYV": {SIZE: 30.0}, "MJPG": {SIZE: 30.0}})
    camera.refuses["ENUM_FRAMEINTERVALS"] = number
    with V4l2Source(config()):
        assert camera.format[2] == "YUYV"


def test_a_rate_of_nothing_is_one_that_is_not_known(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"YUYV": {SIZE: 0.0}, "MJPG": {SIZE: 30.0}})
    with V4l2Source(config()):
        assert camera.format[2] == "YUYV"


@pytest.mark.parametrize(("fourcc", "compiled"), [("GREY", True), ("MJPG", True), ("YUYV", False)])
def test_what_decodes_the_first_frame_is_there_before_it(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, fourcc: str, compiled: bool
) -> None:
    kernel.plug(0, {fourcc: {SIZE: 30.0}})
    if not compiled:
        monkeypatch.setattr(v4l2, "kernels", None)
    imported: list[str] = []
    monkeypatch.setattr(v4l2, "import_module", imported.append)
    with V4l2Source(config()):
        assert "edged.imaging.picture" in imported
        assert ("PIL.Image" in imported) is not compiled


def test_a_rate_that_cannot_be_chosen_is_no_obstacle(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, SMALL)
    camera.refuses["S_PARM"] = errno.ENOTTY
    with V4l2Source(config()) as source:
        camera.expose(yuyv(1))
        assert source.grab().decode(None).shape == (16, 32, 3)


def test_a_camera_that_also_draws_overlays_delivers_all_the_same(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, SMALL, capabilities=STREAMING_CAPTURE | OVERLAY)
    with V4l2Source(config()) as source:
        camera.expose(yuyv(1))
        assert source.grab().decode(None).shape == (16, 32, 3)


def test_an_absent_camera_is_told_with_those_that_are_there(kernel: FakeKernel) -> None:
    there = kernel.plug(0, SMALL)
    with pytest.raises(CameraError, match="no such device") as told:
        V4l2Source(config(source="7")).__enter__()
    assert str(there.path) in str(told.value)


def test_a_machine_without_any_camera_says_so(kernel: FakeKernel) -> None:
    with pytest.raises(CameraError, match="plug one in"):
        V4l2Source(config()).__enter__()
    kernel.plug(0, SMALL, capabilities=METADATA)
    with pytest.raises(CameraError, match="plug one in"):
        V4l2Source(config()).__enter__()


def test_a_file_that_is_no_device_says_so(kernel: FakeKernel, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no camera")
    with pytest.raises(CameraError, match="not a video device"):
        V4l2Source(config(source=str(path)), None).__enter__()


def test_an_unplugged_camera_lets_go_of_its_memory_and_is_found_again(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, {"GREY": {SIZE: 30.0}})
    options = config(retry_min_s=0.001, retry_max_s=0.002)
    with NewestFrame(lambda: V4l2Source(options), options) as newest:
        eventually(lambda: camera.streaming)
        camera.expose(bytes([10]) * 512)
        assert next_frame(newest).number == 1
        camera.unplug()
        eventually(lambda: newest.error is not None and "there is no" in newest.error)
        assert camera.mapped == 0
        again = kernel.plug(1, {"GREY": {SIZE: 30.0}})
        eventually(lambda: again.streaming)
        again.expose(bytes([20]) * 512)
        frame = next_frame(newest)
        assert (frame.number, int(frame.pixels[0, 0, 0])) == (2, 20)
        assert newest.error is None
        # Lets the capture thread end at once instead of at its time limit.
        again.unplug()
    assert again.mapped == 0


def test_closing_gives_the_camera_back(kernel: FakeKernel) -> None:
    camera = kernel.plug(0, SMALL)
    for _ in range(3):
        with V4l2Source(config()):
            assert camera.streaming
        assert not camera.streaming
        assert camera.mapped == 0
