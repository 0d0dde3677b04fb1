"""YUV frames become the RGB of BT.601's formula, to one level, also at odd sizes and strides, and
at the size of a model what that RGB becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from edged.core import Pixels
from edged.errors import CameraError
from edged.imaging import yuv as module
from edged.imaging.reduction import COLUMN_BITS, ROW_BITS
from edged.imaging.yuv import i420_to_rgb, nv12_to_rgb, yuyv_to_rgb
from edged.native import kernels

Plane = npt.NDArray[np.uint8]
needs_native = pytest.mark.skipif(
    kernels is None, reason="the extension _kernels is not built here"
)


@pytest.fixture(params=["vectors", "any", "numpy"])
def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
    """What converts in this test: the kernel with vectors and without, and numpy instead."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr(module, "kernels", None)
            yield
            return
        if kernels is None:
            pytest.skip("the extension _kernels is not built here")
        kernels.use_vectors(request.param == "vectors")
        module._plan.cache_clear()
        yield
        kernels.use_vectors(True)
        module._plan.cache_clear()


def random_planes(height_px: int, width_px: int, chroma_rows: int) -> tuple[Plane, Plane, Plane]:
    rng = np.random.default_rng(height_px * 1000 + width_px)
    pairs = (width_px + 1) // 2
    y, u, v = (
        rng.integers(0, 256, shape, dtype=np.uint8)
        for shape in ((height_px, width_px), (chroma_rows, pairs), (chroma_rows, pairs))
    )
    return y, u, v


def by_formula(y: Plane, u: Plane, v: Plane) -> npt.NDArray[np.float64]:
    """ITU-R BT.601-7 in floating point."""
    height, width = y.shape
    times = 1 if len(u) == height else 2
    luma = (y.astype(float) - 16) / 219
    cb, cr = (
        np.repeat(np.repeat((plane.astype(float) - 128) / 224, times, 0)[:height], 2, 1)[:, :width]
        for plane in (u, v)
    )
    red = luma + 1.402 * cr
    blue = luma + 1.772 * cb
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.stack([red, green, blue], axis=2) * 255, 0, 255)


def padded(plane: Plane, stride_bytes: int) -> bytes:
    rows = np.full((len(plane), stride_bytes), 77, np.uint8)
    rows[:, : plane.shape[1]] = plane
    return rows.tobytes()


def yuyv(y: Plane, u: Plane, v: Plane, stride_bytes: int) -> bytes:
    rows = np.zeros((len(y), 4 * u.shape[1]), np.uint8)
    rows[:, 0 : 2 * y.shape[1] : 2] = y
    rows[:, 1::4] = u
    rows[:, 3::4] = v
    return padded(rows, stride_bytes)


def nv12(y: Plane, u: Plane, v: Plane, stride_bytes: int) -> bytes:
    pairs = np.stack([u, v], axis=2).reshape(len(u), -1)
    return padded(y, stride_bytes) + padded(pairs, stride_bytes)


def i420(y: Plane, u: Plane, v: Plane, stride_bytes: int) -> bytes:
    return padded(y, stride_bytes) + padded(u, stride_bytes // 2) + padded(v, stride_bytes // 2)


LAYOUTS = [
    pytest.param(yuyv_to_rgb, yuyv, 1, 4, id="YUYV"),
    pytest.param(nv12_to_rgb, nv12, 2, 2, id="NV12"),
    pytest.param(i420_to_rgb, i420, 2, 2, id="YUV420"),
]
Convert = Callable[..., Pixels]
Pack = Callable[[Plane, Plane, Plane, int], bytes]


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(("convert", "pack", "rows_per_chroma", "pair_bytes"), LAYOUTS)
@settings(max_examples=40)
@given(height_px=st.integers(1, 20), width_px=st.integers(1, 150), padding=st.integers(0, 3))
def test_a_frame_is_converted_by_the_formula(
    convert: Convert,
    pack: Pack,
    rows_per_chroma: int,
    pair_bytes: int,
    height_px: int,
    width_px: int,
    padding: int,
) -> None:
    planes = random_planes(height_px, width_px, -(-height_px // rows_per_chroma))
    stride_bytes = (width_px + 1) // 2 * pair_bytes + 2 * padding
    data = pack(*planes, stride_bytes)

    pixels = convert(data, width_px, height_px, stride_bytes)

    assert (pixels.dtype, pixels.shape) == (np.uint8, (height_px, width_px, 3))
    assert np.abs(pixels - by_formula(*planes)).max() <= 0.6


def soft_planes(height_px: int, width_px: int, chroma_rows: int) -> tuple[Plane, Plane, Plane]:
    """Colours that RGB has: only beyond them is it not the same to resize before or after."""
    y, u, v = random_planes(height_px, width_px, chroma_rows)
    return y // 4 + np.uint8(96), u // 8 + np.uint8(112), v // 8 + np.uint8(112)


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(("convert", "pack", "rows_per_chroma", "pair_bytes"), LAYOUTS)
@settings(max_examples=60)
@example(height_px=480, width_px=640, out_height_px=224, out_width_px=224)
@example(height_px=480, width_px=640, out_height_px=32, out_width_px=32)
@given(
    height_px=st.integers(1, 90),
    width_px=st.integers(1, 90),
    out_height_px=st.integers(1, 60),
    out_width_px=st.integers(1, 60),
)
def test_at_another_size_a_frame_is_what_its_rgb_becomes(
    convert: Convert,
    pack: Pack,
    rows_per_chroma: int,
    pair_bytes: int,
    height_px: int,
    width_px: int,
    out_height_px: int,
    out_width_px: int,
) -> None:
    planes = soft_planes(height_px, width_px, -(-height_px // rows_per_chroma))
    stride_bytes = (width_px + 1) // 2 * pair_bytes
    data = pack(*planes, stride_bytes)
    channels = np.moveaxis(by_formula(*planes).astype(np.float32), 2, 0)
    size_px = (out_width_px, out_height_px)
    resized = [Image.fromarray(c).resize(size_px, Image.Resampling.BILINEAR) for c in channels]
    expected = np.stack([np.asarray(channel) for channel in resized], axis=2)
    # Without the kernel the levels are rounded before and after each pass, too.
    most = 1.0 if module.kernels is not None else 1.8

    pixels = convert(data, width_px, height_px, stride_bytes, (out_height_px, out_width_px))

    assert pixels.shape == (out_height_px, out_width_px, 3)
    assert np.abs(pixels - expected).max() <= most


@pytest.mark.usefixtures("implementation")
def test_what_shrinks_to_nearly_nothing_keeps_its_colour() -> None:
    frame = bytes([82, 90, 82, 240]) * 1000 * 4

    pixels = yuyv_to_rgb(frame, 2000, 4, 4000, (2, 1))

    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 1


@needs_native
@pytest.mark.parametrize(("convert", "pack", "rows_per_chroma", "pair_bytes"), LAYOUTS)
@pytest.mark.parametrize("size_px", [None, (224, 224), (32, 32), (50, 71)])
@pytest.mark.parametrize(("height_px", "width_px"), [(480, 640), (37, 41)])
def test_every_way_gives_the_same_bytes(
    convert: Convert,
    pack: Pack,
    rows_per_chroma: int,
    pair_bytes: int,
    size_px: tuple[int, int] | None,
    height_px: int,
    width_px: int,
) -> None:
    planes = random_planes(height_px, width_px, -(-height_px // rows_per_chroma))
    stride_bytes = (width_px + 1) // 2 * pair_bytes
    data = pack(*planes, stride_bytes)
    results = []

    for vectors in (False, True):
        kernels.use_vectors(vectors)
        module._plan.cache_clear()
        results.append(convert(data, width_px, height_px, stride_bytes, size_px))

    assert (results[0] == results[1]).all()


@pytest.mark.parametrize(
    ("yuv", "rgb"),
    [
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((82, 90, 240), (255, 0, 0)),
        ((145, 54, 34), (0, 255, 0)),
        ((41, 240, 110), (0, 0, 255)),
        ((0, 0, 0), (0, 135, 0)),
        ((255, 255, 255), (255, 125, 255)),
    ],
)
def test_colours_are_those_of_bt_601(yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    y, u, v = yuv

    pixels = yuyv_to_rgb(bytes([y, u, y, v]), 2, 1, 4)

    assert np.abs(pixels.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize(("convert", "pack", "rows_per_chroma", "pair_bytes"), LAYOUTS)
def test_a_short_frame_is_a_camera_error(
    convert: Convert, pack: Pack, rows_per_chroma: int, pair_bytes: int
) -> None:
    data = pack(*random_planes(6, 8, 6 // rows_per_chroma), 4 * pair_bytes)

    for end in (0, 1, len(data) - 1):
        with pytest.raises(CameraError, match=f"{end} of {len(data)} bytes"):
            convert(data[:end], 8, 6, 4 * pair_bytes)


@pytest.mark.parametrize(("convert", "pack", "rows_per_chroma", "pair_bytes"), LAYOUTS)
@pytest.mark.parametrize(
    ("width_px", "height_px", "stride_bytes"),
    [(8, 6, 7), (0, 6, 16), (8, 0, 16), (-2, 6, 16), (8, -6, 16), (8, 6, -16), (2**40, 6, 16)],
)
def test_a_size_that_cannot_be_is_a_camera_error(
    convert: Convert,
    pack: Pack,
    rows_per_chroma: int,
    pair_bytes: int,
    width_px: int,
    height_px: int,
    stride_bytes: int,
) -> None:
    with pytest.raises(CameraError, match="too short"):
        convert(bytes(1000), width_px, height_px, stride_bytes)


def test_what_lies_behind_the_frame_is_ignored() -> None:
    frame = bytes([82, 90, 82, 240])

    assert (yuyv_to_rgb(frame + b"junk", 2, 1, 4) == yuyv_to_rgb(frame, 2, 1, 4)).all()


def test_any_buffer_will_do() -> None:
    frame = bytearray([82, 90, 82, 240])

    assert (yuyv_to_rgb(memoryview(frame), 2, 1, 4) == yuyv_to_rgb(bytes(frame), 2, 1, 4)).all()


def yuv_plan(
    layout: str = "NV12",
    size: tuple[int, int] = (4, 4),
    stride: int = 4,
    columns_px: int = 4,
    chroma_px: int = 2,
) -> Any:
    """A plan for frames of 4x4 that become 2x2, or one with something wrong."""
    return kernels.yuv_plan(
        layout,
        size,
        stride,
        (2, 2),
        *kernels.axis(columns_px, 2, 0.0, columns_px, COLUMN_BITS, False),
        *kernels.axis(4, 2, 0.0, 4.0, ROW_BITS, False),
        *kernels.axis(chroma_px, 2, 0.0, chroma_px, ROW_BITS, False),
    )


@needs_native
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"layout": "NV21"}, "no such layout"),
        ({"size": (0, 4)}, "no size"),
        ({"size": (4, 0)}, "no size"),
        ({"stride": 0}, "no size"),
        ({"stride": 2**40}, "no size"),
        ({"stride": 3}, "longer than the stride"),
        ({"layout": "YUYV"}, "longer than the stride"),
        ({"size": (3, 4)}, "outside of the picture"),
        ({"columns_px": 9}, "outside of the picture"),
        ({"chroma_px": 4}, "outside of the picture"),
    ],
)
def test_the_kernel_refuses_planes_that_do_not_fit(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yuv_plan(**wrong)


@needs_native
def test_a_plan_serves_no_frame_that_is_too_short() -> None:
    out = np.zeros((2, 2, 3), np.uint8)
    data = bytes(range(200, 224))

    for short in (b"", data[:-1], np.frombuffer(data * 2, np.uint8)[::2]):
        assert not kernels.resample(short, out, yuv_plan())
    assert not out.any()
    assert not kernels.resample(data, np.zeros((2, 3, 3), np.uint8), yuv_plan())
    assert kernels.resample(data, out, yuv_plan())
    assert out.any()
