"""Pixels to tensor values and tensor values to scores, by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edged.inference import tensors
from edged.inference.tensors import Tensor


def tensor(dtype: str, scale: float = 0.0, zero_point: int = 0) -> Tensor:
    return Tensor(0, "image", (1, 2, 2, 3), np.dtype(dtype), scale, zero_point)


def test_halves_are_rounded_away_from_zero() -> None:
    values = np.array([-2.5, -1.4, -0.5, 0.5, 1.5, 2.49])
    assert tensors.round_half_away(values).tolist() == [-3, -1, -1, 1, 2, 2]


def test_without_normalisation_an_integer_tensor_takes_the_pixel() -> None:
    assert tensors.plain_table(tensor("uint8", 0.0078125, 128), 3)[1].tolist() == [*range(256)]
    assert tensors.plain_table(tensor("int8", 0.5, 3), 1).tolist() == [[*range(-128, 128)]]


def test_without_normalisation_a_float_tensor_takes_minus_one_to_one() -> None:
    row = tensors.plain_table(tensor("float32"), 1)[0]
    assert row.dtype == np.float32
    assert (row[0], row[255]) == (-1.0, 1.0)
    assert row[127] == np.float32(-0.5 / 127.5)


def test_a_float_tensor_takes_pixel_minus_mean_by_std_of_each_channel() -> None:
    table = tensors.table(tensor("float32"), 3, [100, 110, 120], [50, 10, 2])
    assert table[:, 130].tolist() == np.float32([0.6, 2.0, 5.0]).tolist()


def test_a_quantised_tensor_takes_the_normalised_value_divided_by_its_scale() -> None:
    table = tensors.table(tensor("int8", 0.02, -10), 3, [127.5], [127.5])
    # (200 - 127.5) / 127.5 / 0.02 = 28.43, (0 - 127.5) / 127.5 / 0.02 = -50
    assert table[2, 200] == 28 - 10
    assert table[0, 0] == -50 - 10
    assert table.dtype == np.int8


def test_values_outside_of_the_type_stay_at_its_limits() -> None:
    table = tensors.table(tensor("uint8", 0.001, 0), 1, [100], [100])
    assert (table[0, 0], table[0, 255]) == (0, 255)


@pytest.mark.parametrize(
    ("mean", "std"),
    [([1, 2], [1]), ([0], [0]), ([0], [-1]), ([float("nan")], [1]), ([0], [float("inf")])],
)
def test_a_normalisation_that_makes_no_sense_is_refused(
    mean: list[float], std: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"channels|finite"):
        tensors.table(tensor("float32"), 3, mean, std)


def test_a_table_one_step_beside_the_plain_one_is_the_same_but_for_rounding() -> None:
    halves = tensor("uint8", 0.0078125, 128)
    plain = tensors.plain_table(halves, 3)
    assert tensors.same_but_for_rounding(tensors.table(halves, 3, [127.5], [127.5]), plain)
    assert not tensors.same_but_for_rounding(tensors.table(halves, 3, [0], [255]), plain)


def test_a_look_up_takes_each_channel_from_its_own_row() -> None:
    table = np.stack([np.arange(256), np.arange(256) * 2, np.arange(256) * 3]).astype(np.float32)
    pixels = np.array([[[1, 2, 3], [255, 255, 255]]], np.intp)
    out = np.zeros((1, 2, 3), np.float32)
    tensors.look_up(table, pixels, out)
    assert out.tolist() == [[[1, 4, 9], [255, 510, 765]]]


def test_luma_is_that_of_pillow_to_the_bit() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    luma = np.empty((40, 30), np.intp)
    tensors.luma(pixels, luma)
    assert np.array_equal(luma, np.asarray(Image.fromarray(pixels).convert("L")))


@pytest.mark.parametrize(
    ("size", "shape", "corner"),
    [
        ((480, 640), (480, 480), (0, 80)),
        ((640, 480), (480, 480), (80, 0)),
        ((100, 100), (100, 100), (0, 0)),
        ((1, 1000), (1, 1), (0, 499)),
    ],
)
def test_the_centre_is_the_largest_part_of_the_wanted_aspect(
    size: tuple[int, int], shape: tuple[int, int], corner: tuple[int, int]
) -> None:
    rows, columns = np.indices(size)
    pixels = np.stack([rows // 256, rows % 256, columns % 256], axis=2).astype(np.uint8)
    cut = tensors.centre(pixels, 224, 224)
    assert cut.shape[:2] == shape
    assert cut[0, 0].tolist() == [corner[0] // 256, corner[0] % 256, corner[1] % 256]
    assert np.shares_memory(cut, pixels)


def test_the_centre_may_be_wider_than_high() -> None:
    assert tensors.centre(np.zeros((100, 100, 3), np.uint8), 90, 160).shape == (56, 100, 3)


def test_integers_are_widened_before_the_zero_point_goes() -> None:
    real = tensors.dequantise(np.array([0, 127, 255], np.uint8), 0.5, 128)
    assert real.dtype == np.float32
    assert real.tolist() == [-64.0, -0.5, 63.5]
    assert tensors.dequantise(np.array([-128, 127], np.int8), 1 / 256, -128).tolist() == [
        0.0,
        255 / 256,
    ]


def test_a_float_output_is_copied_as_it_is() -> None:
    values = np.array([0.25, 0.75], np.float32)
    real = tensors.dequantise(values, 0.0, 0)
    assert real.tolist() == [0.25, 0.75]
    assert not np.shares_memory(real, values)


def test_softmax_sums_to_one_and_does_not_overflow() -> None:
    logits = np.array([1000.0, 1000.0, 0.0], np.float32)
    tensors.softmax(logits)
    assert logits.tolist() == [0.5, 0.5, 0.0]
    logits = np.array([0.0, np.log(3.0)], np.float32)
    tensors.softmax(logits)
    assert logits == pytest.approx([0.25, 0.75])


def test_scores_stay_in_0_to_1_and_nan_is_0() -> None:
    scores = np.array([-0.5, 0.5, 1.5, np.nan], np.float32)
    tensors.bound(scores)
    assert scores.tolist() == [0.0, 0.5, 1.0, 0.0]
