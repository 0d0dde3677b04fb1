"""The picture at the model's size is Pillow's, to one level, however it lies in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from edged.core import Pixels
from edged.imaging import resample as module
from edged.imaging.reduction import COLUMN_BITS, MOST_REDUCTION, ROW_BITS
from edged.imaging.resample import Box, resample
from edged.native import kernels

needs_native = pytest.mark.skipif(
    module.KERNEL != "native", reason="the extension _kernels is not built here"
)


@pytest.fixture(params=["vectors", "any", "pillow"])
def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
    """What resizes in this test: the kernel with vectors and without, and Pillow instead."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pillow":
            patch.setattr(module, "kernels", None)
            yield
            return
        if kernels is None:
            pytest.skip("the extension _kernels is not built here")
        used = kernels.use_vectors(request.param == "vectors")
        if request.param == "vectors" and used == "any":
            pytest.skip("this processor has no vectors that the kernel knows")
        # A plan keeps the way that it was made with.
        module._plan.cache_clear()
        yield
        kernels.use_vectors(True)
        module._plan.cache_clear()


class Axis(NamedTuple):
    """For each output: the first input, and the weights (outputs, taps)."""

    starts: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int16]


def axis(
    size_px: int, out_px: int, low: float, high: float, bits: int, mirrored: bool = False
) -> Axis:
    """The filter's."""
    starts, weights = kernels.axis(size_px, out_px, low, high, bits, mirrored)
    return Axis(
        np.frombuffer(starts, np.int32), np.frombuffer(weights, np.int16).reshape(out_px, -1)
    )


def run_kernel(pixels: Pixels, out: Pixels, *axes: Any) -> None:
    """The kernel with axes of our own instead of a filter's."""
    plan = kernels.plan(pixels.shape, pixels.strides, out.shape, out.strides, *axes)
    assert kernels.resample(pixels, out, plan)


def axes_of(size_px: int, out_px: int) -> tuple[Any, ...]:
    """Columns and rows of a square that becomes another."""
    return (
        *axis(size_px, out_px, 0.0, size_px, COLUMN_BITS),
        *axis(size_px, out_px, 0.0, size_px, ROW_BITS),
    )


def steps(pixels: Pixels, expected: Pixels) -> int:
    """The most levels between the two."""
    return int(np.abs(pixels.astype(int) - expected).max())


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
@settings(max_examples=150)
@given(pixels=views(), out=outputs(), data=st.data())
def test_every_view_box_and_size_is_pillows_to_one_level(
    pixels: Pixels,
    out: npt.NDArray[np.uint8],
    data: st.DataObject,
) -> None:
    box = data.draw(boxes(pixels), label="box")

    resample(pixels, out, box)

    assert steps(out, by_pillow(pixels, *out.shape[:2], box)) <= 1


@needs_native
@settings(max_examples=150)
@given(pixels=views(), out=outputs(), data=st.data())
def test_every_way_gives_the_same_bytes(
    pixels: Pixels, out: npt.NDArray[np.uint8], data: st.DataObject
) -> None:
    box = data.draw(boxes(pixels), label="box")
    results = []

    for vectors in (False, True):
        kernels.use_vectors(vectors)
        module._plan.cache_clear()
        resample(pixels, out, box)
        results.append(out.copy())

    assert (results[0] == results[1]).all()


@needs_native
def test_vectors_can_be_forbidden() -> None:
    best = kernels.use_vectors(True)

    assert kernels.use_vectors(False) == "any"
    assert kernels.use_vectors(True) == best


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
@pytest.mark.parametrize("hard", [False, True], ids=["noise", "black and white"])
def test_sizes_of_cameras_and_models_are_pillows_to_one_level(
    source_px: tuple[int, int], out_px: tuple[int, int], hard: bool
) -> None:
    pixels = noise(*source_px)
    if hard:
        pixels = (pixels >> 7) * np.uint8(255)
    out = np.zeros((*out_px, 3), np.uint8)
    height, width = source_px

    resample(pixels, out, (0.0, 0.0, float(width), float(height)))

    assert steps(out, by_pillow(pixels, *out_px)) <= 1


@settings(max_examples=30)
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
def test_a_turned_picture_is_pillows_to_one_level(
    size_px: tuple[int, int], turns: int, mirrored: bool, channels: int
) -> None:
    pixels = np.rot90(noise(*size_px, channels)[..., :3], turns)[:, :: -1 if mirrored else 1]
    out = np.zeros((224, 224, 3), np.uint8)

    resample(pixels, out)

    assert steps(out, by_pillow(pixels, 224, 224)) <= 1


@needs_native
@pytest.mark.parametrize(
    ("source_px", "out_px"),
    [((480, 640), 224), ((1080, 1920), 224), ((480, 640), 32), ((540, 960), 64), ((32, 32), 224)],
)
def test_rounded_weights_leave_no_room_for_two_levels(
    source_px: tuple[int, int], out_px: int
) -> None:
    # Pillow's sums before their last rounding are wrong by half a level at most, which is what its
    # first rounding may add; where ours are wrong by less than that, both round to neighbours.
    half_range = 127.5

    def most_wrong(size_px: int, bits: int) -> float:
        starts, weights = axis(size_px, out_px, 0.0, size_px, bits)
        scale = size_px / out_px
        centres = (np.arange(out_px)[:, None] + 0.5) * scale
        inputs = starts[:, None] + np.arange(weights.shape[1])
        exact = np.maximum(1 - np.abs(inputs + 0.5 - centres) / max(scale, 1.0), 0)
        exact /= exact.sum(axis=1, keepdims=True)
        assert (weights.sum(axis=1) == 1 << bits).all()
        return float(np.abs(weights / (1 << bits) - exact).sum(axis=1).max() * half_range)

    chunks = -(-axis(source_px[0], out_px, 0.0, source_px[0], 12).weights.shape[1] // 8)
    height, width = source_px
    wrong = most_wrong(height, ROW_BITS) + most_wrong(width, COLUMN_BITS)

    assert wrong + chunks / 128 < 0.49


@pytest.mark.usefixtures("implementation")
@settings(max_examples=200)
@example(size_px=7, out_px=7, span=(0.0, 1.0), mirrored=False)
@example(size_px=1, out_px=300, span=(0.25, 0.5), mirrored=True)
@example(size_px=4000, out_px=1, span=(0.0, 1.0), mirrored=True)
@given(
    size_px=st.integers(1, 4000),
    out_px=st.integers(1, 300),
    span=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(sorted),
    mirrored=st.booleans(),
)
def test_one_axis_of_any_length_is_pillows_to_one_level(
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

    assert steps(across, by_pillow(row, 1, out_px, (low, 0.0, high, 1.0))) <= 1
    assert steps(down, by_pillow(column, out_px, 1, (0.0, low, 1.0, high))) <= 1


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
        ([0, 0], [2, 0, 1, 0], "add up to one"),
        ([0, 0], [2, 0, 4, -2], "add up to one"),
    ],
)
@pytest.mark.parametrize("of_rows", [False, True])
def test_the_kernel_refuses_taps_and_weights_that_no_filter_has(
    starts: list[int], weights: list[int], reason: str, of_rows: bool
) -> None:
    axes = list(axes_of(4, 2))
    half = 1 << ((ROW_BITS if of_rows else COLUMN_BITS) - 1)
    at = 2 if of_rows else 0
    axes[at : at + 2] = np.array(starts, np.int32), np.array(weights, np.int16) * np.int16(half)

    with pytest.raises(ValueError, match=reason):
        run_kernel(noise(4, 4), np.zeros((2, 2, 3), np.uint8), *axes)


@needs_native
@pytest.mark.parametrize(
    "pixels",
    [noise(4, 4)[:, ::-1], noise(4, 4)[:, ::2], noise(4, 4)[..., ::-1]],
)
def test_the_kernel_refuses_pixels_that_do_not_lie_in_rows(pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="pixels"):
        run_kernel(pixels, np.zeros((2, 2, 3), np.uint8), *axes_of(4, 2))


@needs_native
def test_a_plan_serves_no_other_shape_or_stride() -> None:
    pixels, out = noise(4, 4), np.zeros((2, 2, 3), np.uint8)
    plan = kernels.plan(pixels.shape, pixels.strides, out.shape, out.strides, *axes_of(4, 2))

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
@pytest.mark.parametrize("vectors", [True, False])
def test_windows_may_come_in_any_order(vectors: bool) -> None:
    kernels.use_vectors(vectors)
    pixels = noise(40, 40)
    columns = axis(40, 30, 0.0, 40.0, COLUMN_BITS, mirrored=True)
    rows = axis(40, 30, 0.0, 40.0, ROW_BITS)
    order = np.random.default_rng(0).permutation(30)
    out, expected = np.zeros((30, 30, 3), np.uint8), np.zeros((30, 30, 3), np.uint8)

    run_kernel(pixels, expected, *columns, *rows)
    run_kernel(pixels, out, *columns, rows.starts[order], rows.weights[order])
    kernels.use_vectors(True)

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


@needs_native
@pytest.mark.parametrize(
    "wrong",
    [
        {"size_px": 0},
        {"size_px": 1 << 40},
        {"out_px": 0},
        {"out_px": 1 << 40},
        {"low": -1.0},
        {"low": 8.0},
        {"low": float("nan")},
        {"high": 9.0},
        {"high": float("inf")},
        {"bits": 0},
        {"bits": 40},
    ],
)
def test_the_kernel_has_no_filter_for_what_is_no_part_of_an_axis(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="axis"):
        axis(**{"size_px": 8, "out_px": 4, "low": 0.0, "high": 8.0, "bits": ROW_BITS, **wrong})


@needs_native
def test_a_filter_that_would_take_all_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        axis(1 << 30, 1 << 10, 0.0, 1 << 30, ROW_BITS)


@needs_native
@settings(max_examples=300)
@given(
    size_px=st.integers(1, 3000),
    out_px=st.integers(1, 400),
    span=st.tuples(st.floats(0.0, 0.9), st.floats(0.05, 1.0)),
    mirrored=st.booleans(),
)
def test_the_weights_of_an_axis_are_those_of_the_formula(
    size_px: int, out_px: int, span: tuple[float, float], mirrored: bool
) -> None:
    low = float(np.float32(span[0] * size_px))
    high = float(np.float32(low + span[1] * (size_px - low)))
    assume(low < high <= size_px and (high - low) / out_px <= MOST_REDUCTION)
    scale = float(np.float32(high) - np.float32(low)) / out_px
    reach = max(scale, 1.0)
    centres = low + (np.arange(out_px) + 0.5) * scale
    inputs = np.arange(size_px)
    begins = np.maximum((centres - reach + 0.5).astype(int), 0)[:, None]
    ends = np.minimum((centres + reach + 0.5).astype(int), size_px)[:, None]
    triangle = np.maximum(1.0 - np.abs((inputs - centres[:, None] + 0.5) / reach), 0.0)
    exact = np.where((inputs >= begins) & (inputs < ends), triangle, 0.0)
    exact /= exact.sum(axis=1, keepdims=True)

    starts, weights = axis(size_px, out_px, low, high, COLUMN_BITS, mirrored)

    if mirrored:
        starts, weights = size_px - weights.shape[1] - starts, weights[:, ::-1]
    spread = np.zeros((out_px, size_px))
    for row, start, units in zip(spread, starts, weights, strict=True):
        row[start : start + len(units)] = units
    assert (spread.sum(axis=1) == 1 << COLUMN_BITS).all()
    # The running sum is rounded: each weight is wrong by two halves of a unit at most.
    assert np.abs(spread / (1 << COLUMN_BITS) - exact).max() <= 1.01 / (1 << COLUMN_BITS)
    assert weights[:, 0].any()
    assert weights[:, -1].any()
