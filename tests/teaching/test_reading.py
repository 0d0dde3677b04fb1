"""What a taught head reads of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged import paths
from edged.core import Layer
from edged.inference import layers
from edged.inference.layers import Layers, Map
from edged.teaching.reading import Block, Reading, choose


@pytest.mark.parametrize(
    ("name", "features", "shapes"),
    [
        ("edged-cifar10-int8", 256, [(4, 4, 480), (8, 8, 400)]),
        ("tf2_mobilenet_v2_1.0_224_ptq", 1280, [(7, 7, 960)]),
        ("mobilenet_v1_0.25_128_quant", 256, [(4, 4, 256), (8, 8, 128)]),
    ],
)
def test_the_features_and_wide_maps_of_the_last_two_resolutions_are_read(
    shared_data: Path, name: str, features: int, shapes: list[tuple[int, int, int]]
) -> None:
    model = paths.bundled_model()
    if name != model.stem:
        model = shared_data / "models" / f"{name}.tflite"
    found = layers.find(model.read_bytes())
    chosen = choose(found, features)
    assert chosen is not None
    assert chosen.blocks[0] == Block(found.features or -1, features)
    known = {one.tensor: one.shape for one in found.maps}
    assert [known[block.tensor] for block in chosen.blocks[1:]] == shapes


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1_0.25_128_quant",
        "mobilenet_v2_1.0_224_inat_bird_quant",
        "vww_96_float",
        "mlperf_tiny_resnet_int8",
        "automl_labeler_model",
    ],
)
def test_every_classifier_with_a_head_can_be_read(shared_data: Path, name: str) -> None:
    content = (shared_data / "models" / f"{name}.tflite").read_bytes()
    chosen = choose(layers.find(content), 64)
    assert chosen is not None
    assert len(chosen.blocks) > 1


def test_a_model_without_features_has_nothing_to_read(shared_data: Path) -> None:
    content = (shared_data / "models" / "split_concat.tflite").read_bytes()
    assert choose(layers.find(content), 10) is None


def test_a_model_of_one_map_has_its_features_alone() -> None:
    found = Layers(7, 1, 2, (Map(3, (8, 8, 16)),))
    assert choose(found, 16) == Reading((Block(7, 16),))


def test_a_vector_is_the_roots_of_the_means_with_blocks_of_length_one() -> None:
    values = np.zeros((2, 2, 2), np.int8)
    values[..., 0] = [[1, 3], [5, 7]]
    values[..., 1] = -36
    read = Reading((Block(1, 2), Block(2, 2)))
    found = read.vector(
        {1: Layer(np.array([16, 9], np.uint8), 0.5, 0), 2: Layer(values, 0.25, 0)},
    )
    assert found[:2] == pytest.approx([0.8, 0.6])
    assert found[2:] == pytest.approx(np.array([1.0, -3.0]) / np.sqrt(10))


def test_the_zero_point_counts_and_the_scale_does_not() -> None:
    read = Reading((Block(1, 2),))
    plain = read.vector({1: Layer(np.array([4.0, 1.0], np.float32), 0.0, 0)})
    quantised = read.vector({1: Layer(np.array([-124, -127], np.int8), 0.1, -128)})
    assert plain == pytest.approx(quantised)


def test_nothing_active_is_a_vector_of_zeros() -> None:
    read = Reading((Block(1, 3),))
    assert read.vector({1: Layer(np.zeros(3, np.float32), 0.0, 0)}).tolist() == [0, 0, 0]


def test_maps_that_take_too_long_to_read_are_left_out() -> None:
    maps = (Map(1, (64, 64, 32)), Map(2, (32, 32, 32)), Map(3, (32, 32, 16)), Map(4, (1, 2, 8)))
    chosen = choose(Layers(7, 1, 2, maps), 16)
    assert chosen == Reading((Block(7, 16), Block(2, 32)))
