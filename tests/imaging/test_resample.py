"""The picture at the model's size is Pillow's, to the bit, however it lies in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from edged.core import Pixels
from edged.imaging import resample as module
from edged.imaging.resample import Box, resample
from edged.native import kernels

needs_native = pytest.mark.skipif(
    module.KERNEL != "native", reason="the extension _kernels is not built here"
)


@pytest.fixture(params=["vnni", "avx2", "any", "pillow"])
def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
    """What resizes in this test: the kernel with vectors of each kind, and Pillow instead."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pillow":
            patch.setattr(module, "kernels", None)
            yield
        elif kernels is None or kernels.use_vectors(request.param) != request.param:
            pytest.skip(f"no {request.param} kernel here")
        else:
            # A plan is made for the vectors that were in use then.
            module._plan.cache_clear()
            yield
            kernels.use_vectors("vnni")
            module._plan.cache_clear()


def run_kernel(pixels: Pixels, out: Pixels, *how: Any) -> None:
    """The kernel with axes of our own instead of a filter's."""
    plan = kernels.plan(pixels.shape, pixels.strides, out.shape, out.strides, *how)
    assert kernels.resample(pixels, out, plan)


sizes_px = st.integers(1, 90)


def noise(height_px: int, width_px: int, channels: int = 3) -> Pixels:
    rng = np.random.default_rng(height_px * 1000 + width_px)
    return rng.integers(0, 256, (height_px, width_px, channels), dtype=np.uint8)


def by_pillow(pixels: Pixels, height_px: int, width_px: int, box: Box | None = None) -> Pixels:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((width_px, height_px), Image.Resampling.BILINEAR, box))


@st.composite
def views(draw: st.DrawFn) -> Pixels:
    """A picture as cameras and their turning give it: cropped, flipped, rotated, with padding."""
    channels = draw(st.sampled_from([3, 3, 4]))
    pixels = noise(draw(sizes_px), draw(sizes_px), channels)[..., :3]
    if draw(st.booleans()):
        rows, columns = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        if pixels.shape[0] > rows and pixels.shape[1] > columns:
            pixels = pixels[rows:, columns:]
    pixels = np.rot90(pixels, draw(st.integers(0, 3)))
    return pixels[:: draw(st.sampled_from([1, -1])), :: draw(st.sampled_from([1, -1, 2]))][
        ..., :: draw(st.sampled_from([1, -1]))
    ]


@st.composite
def outputs(draw: st.DrawFn) -> npt.NDArray[np.uint8]:
    """Somewhere to write to, not always contiguous."""
    height, width = draw(sizes_px), draw(sizes_px)
    kind = draw(st.sampled_from(["plain", "turned", "mirrored", "within", "padded"]))
    if kind == "turned":
        return np.zeros((width, height, 3), np.uint8).transpose(1, 0, 2)
    if kind == "mirrored":
        return np.zeros((height, width, 3), np.uint8)[:, ::-1]
    if kind == "within":
        return np.zeros((height + 2, width + 2, 3), np.uint8)[1:-1, 1:-1]
    if kind == "padded":
        return np.zeros((height, width, 4), np.uint8)[..., :3]
    return np.zeros((height, width, 3), np.uint8)


@st.composite
def boxes(draw: st.DrawFn, pixels: Pixels) -> Box:
    def span(size_px: int) -> tuple[float, float]:
        low = draw(st.floats(0.0, size_px * 0.9))
        return low, draw(st.floats(low + size_px * 0.05, size_px))

    left, right = span(pixels.shape[1])
    top, bottom = span(pixels.shape[0])
    return left, top, right, bottom


@pytest.mark.usefixtures("implementation")
@settings(max_examples=150, deadline=None)
@given(pixels=views(), out=outputs(), data=st.data())
def test_every_view_box_and_size_gives_what_pillow_gives(
    pixels: Pixels,
    out: npt.NDArray[np.uint8],
    data: st.DataObject,
) -> None:
    box = data.draw(boxes(pixels), label="box")

    resample(pixels, out, box)

    assert (out == by_pillow(pixels, *out.shape[:2], box)).all()


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize(
    ("source_px", "out_px"),
    [
        ((480, 640), (224, 224)),
        ((1080, 1920), (224, 224)),
        ((1080, 1920), (32, 32)),
        ((2160, 3), (1, 1)),
        ((3, 4000), (2, 1)),
        ((32, 32), (224, 224)),
        ((1, 1), (5, 7)),
        ((480, 640), (480, 224)),
    ],
)
def test_sizes_of_cameras_and_models_give_what_pillow_gives(
    source_px: tuple[int, int], out_px: tuple[int, int]
) -> None:
    pixels = noise(*source_px)
    out = np.zeros((*out_px, 3), np.uint8)
    height, width = source_px

    resample(pixels, out, (0.0, 0.0, float(width), float(height)))

    assert (out == by_pillow(pixels, *out_px)).all()


@settings(max_examples=30, deadline=None)
@example(level=255, height_px=1080, width_px=1920, out_px=32)
@example(level=255, height_px=3000, width_px=5, out_px=3)
@example(level=0, height_px=9, width_px=9, out_px=20)
@given(
    level=st.integers(0, 255),
    height_px=st.integers(1, 300),
    width_px=st.integers(1, 300),
    out_px=st.integers(1, 60),
)
def test_a_plain_surface_keeps_its_level(
    level: int, height_px: int, width_px: int, out_px: int
) -> None:
    out = np.zeros((out_px, out_px, 3), np.uint8)

    resample(np.full((height_px, width_px, 3), level, np.uint8), out)

    assert (out == level).all()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("size_px", [(240, 320), (320, 240), (320, 330), (300, 224)])
def test_a_turned_picture_is_resized_in_the_order_of_its_own_axes(
    size_px: tuple[int, int], turns: int, mirrored: bool, channels: int
) -> None:
    pixels = np.rot90(noise(*size_px, channels)[..., :3], turns)[:, :: -1 if mirrored else 1]
    out = np.zeros((224, 224, 3), np.uint8)

    resample(pixels, out)

    assert (out == by_pillow(pixels, 224, 224)).all()


@pytest.mark.parametrize(
    ("size_px", "rows_first"),
    [
        ((480, 640), False),
        ((640, 480), False),
        ((737, 480), True),
        ((736, 480), False),
        ((225, 224), True),
        ((224, 200), False),
    ],
)
def test_since_its_thirteenth_version_pillow_may_begin_with_the_rows(
    monkeypatch: pytest.MonkeyPatch, size_px: tuple[int, int], rows_first: bool
) -> None:
    assert module._rows_first(*size_px, 224, 224) == (rows_first and module._PILLOW_MAJOR >= 13)
    monkeypatch.setattr(module, "_PILLOW_MAJOR", 12)
    assert not module._rows_first(*size_px, 224, 224)


@pytest.mark.usefixtures("implementation")
@settings(max_examples=200, deadline=None)
@example(size_px=7, out_px=7, span=(0.0, 1.0), mirrored=False)
@example(size_px=1, out_px=300, span=(0.25, 0.5), mirrored=True)
@example(size_px=4000, out_px=1, span=(0.0, 1.0), mirrored=True)
@given(
    size_px=st.integers(1, 4000),
    out_px=st.integers(1, 300),
    span=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(sorted),
    mirrored=st.booleans(),
)
def test_one_axis_of_any_length_is_pillows(
    size_px: int, out_px: int, span: tuple[float, float], mirrored: bool
) -> None:
    low, high = span[0] * size_px, span[1] * size_px
    if high - low < 1e-3:
        low, high = 0.0, float(size_px)
    row = noise(1, size_px)[:, :: -1 if mirrored else 1]
    across = np.zeros((1, out_px, 3), np.uint8)
    down = np.zeros((out_px, 1, 3), np.uint8)
    column = np.ascontiguousarray(row.transpose(1, 0, 2))

    resample(row, across, (low, 0.0, high, 1.0))
    resample(column, down, (0.0, low, 1.0, high))

    assert (across == by_pillow(row, 1, out_px, (low, 0.0, high, 1.0))).all()
    assert (down == by_pillow(column, out_px, 1, (0.0, low, 1.0, high))).all()


def test_a_single_pixel_far_from_its_neighbours_is_resized() -> None:
    pixels = noise(4, 12)[:1, ::9][:, :1]
    out = np.zeros((3, 3, 3), np.uint8)

    resample(pixels, out)

    assert (out == pixels[0, 0]).all()


def test_nothing_is_written_beside_a_view_within_a_larger_array() -> None:
    around = np.full((26, 30, 3), 7, np.uint8)

    resample(noise(48, 64), around[1:-1, 2:-2])

    edges = np.concatenate([around[0], around[-1], *around[:, :2], *around[:, -2:]])
    assert (edges == 7).all()
    assert (around[1:-1, 2:-2] != 7).any()


def test_the_same_size_is_a_plain_copy() -> None:
    pixels = noise(20, 30)[::-1]
    out = np.zeros((20, 30, 3), np.uint8)

    resample(pixels, out)

    assert (out == pixels).all()


def test_a_read_only_picture_is_welcome_and_a_read_only_result_is_not() -> None:
    pixels = noise(20, 30)
    pixels.flags.writeable = False
    out = np.zeros((8, 8, 3), np.uint8)
    resample(pixels, out)
    out.flags.writeable = False

    with pytest.raises(ValueError, match="read-only"):
        resample(pixels, out)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 4), np.uint8), ((4, 4, 4), np.uint8), ((0, 4, 3), np.uint8), ((4, 4, 3), np.int8)],
)
def test_what_is_no_picture_is_refused(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match="not uint8"):
        resample(np.zeros(shape, dtype), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="not uint8"):
        resample(noise(4, 4), np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "box", [(0, 0, 5, 4), (-1, 0, 4, 4), (2, 0, 2, 4), (0, 3, 4, 1), (float("nan"), 0, 4, 4)]
)
def test_a_box_that_is_empty_or_outside_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="empty or outside"):
        resample(noise(4, 4), np.zeros((2, 2, 3), np.uint8), box)


@needs_native
@pytest.mark.parametrize(
    ("starts", "weights", "reason"),
    [
        ([0, 3], [1, 1, 1, 1], "outside of the picture"),
        ([-1, 0], [1, 1, 1, 1], "outside of the picture"),
        ([2**31 - 1, 0], [1, 1, 1, 1], "outside of the picture"),
        ([0, 0], [1] * 10, "outside of the picture"),
        ([0], [1, 1], "do not fit"),
        ([0, 0], [1, 1, 1], "do not fit"),
        ([0, 0], [], "do not fit"),
    ],
)
def test_the_kernel_refuses_taps_that_leave_the_picture(
    starts: list[int], weights: list[int], reason: str
) -> None:
    good = module._axis(4, 2, 0.0, 4.0)
    bad = (np.array(starts, np.int32), np.array(weights, np.int32))
    out = np.zeros((2, 2, 3), np.uint8)

    with pytest.raises(ValueError, match=reason):
        run_kernel(noise(4, 4), out, *bad, *good, False)
    with pytest.raises(ValueError, match=reason):
        run_kernel(noise(4, 4), out, *good, *bad, True)


@needs_native
@pytest.mark.parametrize(
    "pixels",
    [noise(4, 4)[:, ::-1], noise(4, 4)[:, ::2], noise(4, 4)[..., ::-1]],
)
def test_the_kernel_refuses_pixels_that_do_not_lie_in_rows(pixels: Pixels) -> None:
    axis = module._axis(4, 2, 0.0, 4.0)

    with pytest.raises(ValueError, match="pixels"):
        run_kernel(pixels, np.zeros((2, 2, 3), np.uint8), *axis, *axis, False)


@needs_native
def test_a_plan_serves_no_other_shape_or_stride() -> None:
    axis = module._axis(4, 2, 0.0, 4.0)
    pixels, out = noise(4, 4), np.zeros((2, 2, 3), np.uint8)
    plan = kernels.plan(pixels.shape, pixels.strides, out.shape, out.strides, *axis, *axis, False)

    for other in (noise(3, 4), noise(4, 5), noise(8, 4)[::2], noise(4, 4)[0], b"1234"):
        assert not kernels.resample(other, out, plan)
    assert not kernels.resample(pixels.view(np.int8), out, plan)
    for other in (np.zeros((2, 3, 3), np.uint8), np.zeros((4, 2, 3), np.uint8)[::2]):
        assert not kernels.resample(pixels, other, plan)
    assert not out.any()
    assert kernels.resample(pixels, out, plan)
    assert out.any()
    with pytest.raises(ValueError, match="invalid PyCapsule"):
        kernels.resample(pixels, out, None)


@needs_native
@pytest.mark.parametrize("rows_first", [False, True])
@pytest.mark.parametrize("weight", [-(2**31), -1, 2**31 - 1])
def test_the_kernel_survives_weights_and_windows_that_no_filter_has(
    weight: int, rows_first: bool
) -> None:
    starts = np.array([37, 0, 20, 38, 1], np.int32)
    weights = np.full((5, 2), weight, np.int32)
    out = np.zeros((5, 5, 3), np.uint8)

    run_kernel(noise(40, 40), out, starts, weights, starts, weights, rows_first)


@needs_native
@pytest.mark.parametrize("rows_first", [False, True])
def test_windows_may_come_in_any_order(rows_first: bool) -> None:
    pixels = noise(40, 40)
    rows, columns = module._axis(40, 30, 0.0, 40.0), module._axis(40, 30, 0.0, 40.0, True)
    order = np.random.default_rng(0).permutation(30)
    shuffled = rows.starts[order], rows.weights[order]
    out, expected = np.zeros((30, 30, 3), np.uint8), np.zeros((30, 30, 3), np.uint8)

    run_kernel(pixels, expected, *columns, *rows, rows_first)
    run_kernel(pixels, out, *columns, *shuffled, rows_first)

    assert (out == expected[order]).all()


def test_several_threads_resample_at_once() -> None:
    pixels = noise(480, 640)
    expected = np.zeros((60, 60, 3), np.uint8)
    resample(pixels, expected)
    results = [np.zeros((60, 60, 3), np.uint8) for _ in range(4)]
    threads = [threading.Thread(target=resample, args=(pixels, out)) for out in results]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert all((out == expected).all() for out in results)


def test_the_environment_chooses_pillow() -> None:
    program = "from edged.imaging import resample; print(resample.KERNEL)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "EDGED_KERNELS": "pillow"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == "pillow"


def test_one_resampler_serves_pictures_of_any_form_in_any_order(implementation: None) -> None:
    plain = noise(60, 80)
    forms = [plain, plain, np.rot90(plain), plain[:, ::-1], plain[10:], plain[:, 5:70], plain]
    resampler = module.Resampler()

    for pixels in forms:
        out, expected = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
        resampler(pixels, out)
        resample(pixels, expected)
        assert (out == expected).all()
    same = np.zeros_like(plain)
    resampler(plain, same)
    assert (same == plain).all()
    with pytest.raises(ValueError, match="not uint8"):
        resampler(plain.view(np.int8), np.zeros((20, 30, 3), np.uint8))
