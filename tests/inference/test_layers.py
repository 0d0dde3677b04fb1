"""The features of a model that keeps them to itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged import paths
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import layers, tflite
from edged.inference.flatbuffer import root
from tests.inference import builder

LABELS = "warm\ncold\n"
WEIGHTS = np.array([[9, 0, -9], [-9, 0, 9]], np.float32)


def headed(path: Path, head: str = "FULLY_CONNECTED") -> Path:
    """A classifier of warm and cold colours; its features are the mean of each channel."""
    model = builder.Model()
    image = model.tensor([1, 4, 4, 3])
    means = model.tensor([1, 1, 1, 3], name="means")
    model.pool(image, means, 4, 4)
    if head == "FULLY_CONNECTED":
        flat, logits = model.tensor([1, 3]), model.tensor([1, 2])
        model.reshape(means, flat)
        weights = model.tensor([2, 3], data=WEIGHTS.tobytes())
        bias = model.tensor([2], data=bytes(8))
        model.operator(head, [flat, weights, bias], [logits], kind="FullyConnectedOptions")
    else:
        wide, logits = model.tensor([1, 1, 1, 2]), model.tensor([1, 2])
        weights = model.tensor([2, 1, 1, 3], data=WEIGHTS.tobytes())
        bias = model.tensor([2], data=bytes(8))
        options = {"strideH": 1, "strideW": 1}
        model.operator(head, [means, weights, bias], [wide], kind="Conv2DOptions", **options)
        model.reshape(wide, logits)
    scores = model.tensor([1, 2], name="scores")
    model.softmax(logits, scores)
    path.write_bytes(model.content([image], [scores]))
    path.with_suffix(".txt").write_text(LABELS)
    return path


def settings(path: Path) -> ModelConfig:
    return ModelConfig(path=str(path), mean=[0.0], std=[255.0])


@pytest.mark.parametrize("head", ["FULLY_CONNECTED", "CONV_2D"])
def test_the_input_of_the_last_layer_is_told_and_the_scores_stay(head: str, tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite", head)
    picture = np.full((4, 4, 3), (255, 51, 0), np.uint8)
    plain = tflite.load(settings(path)).classify(picture)
    [told] = tflite.load_alike(settings(path), features=True)
    prediction = told.classify(picture)
    assert plain.features is None
    assert prediction.features is not None
    assert prediction.features.tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert prediction.scores.tolist() == plain.scores.tolist()
    assert prediction.top(1)[0].label == "warm"


def test_a_content_of_odd_length_is_padded(tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite")
    path.write_bytes(path.read_bytes() + b"\0")
    [told] = tflite.load_alike(settings(path), features=True)
    assert told.classify(np.zeros((4, 4, 3), np.uint8)).features is not None


def test_a_model_without_a_last_layer_of_weights_stays_as_it_is(tmp_path: Path) -> None:
    data = builder.colours(tmp_path / "colours.tflite").read_bytes()
    assert layers.find(data).features is None
    assert layers.expose(data, []) == data


def test_a_model_that_tells_its_features_stays_as_it_is(tmp_path: Path) -> None:
    data = paths.bundled_model().read_bytes()
    told = layers.find(data).features
    assert told is not None
    assert layers.expose(data, [told]) == data


def test_a_layer_whose_input_is_no_list_has_no_features(tmp_path: Path) -> None:
    model = builder.Model()
    image, scores = model.tensor([1, 2, 2, 3]), model.tensor([1, 2])
    weights = model.tensor([2, 12], data=bytes(96))
    bias = model.tensor([2], data=bytes(8))
    model.operator("FULLY_CONNECTED", [image, weights, bias], [scores])
    data = model.content([image], [scores])
    assert layers.find(data).features is None


def test_several_alike_answer_alike(tmp_path: Path) -> None:
    path = headed(tmp_path / "model.tflite")
    several = tflite.load_alike(settings(path), count=3)
    picture = np.full((4, 4, 3), (0, 51, 255), np.uint8)
    answers = [one.classify(picture).scores.tolist() for one in several]
    assert len(several) == 3
    assert answers == [answers[0]] * 3


def test_the_last_layer_names_its_weights_and_bias(tmp_path: Path) -> None:
    data = headed(tmp_path / "model.tflite").read_bytes()
    found = layers.find(data)
    graph = next(root(data, b"TFL3").tables(2))
    tensors = list(graph.tables(0))
    assert tensors[found.weights].integers(0) == (2, 3)
    assert tensors[found.bias].integers(0) == (2,)


def test_an_activation_map_is_told_as_the_model_has_it_and_the_scores_stay() -> None:
    data = paths.bundled_model().read_bytes()
    [*_, last] = layers.find(data).maps
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    plain = tflite.load(ModelConfig()).classify(picture)
    [opened] = tflite.load_alike(ModelConfig(), layers=[last.tensor])
    told = opened.classify(picture)
    assert plain.layers == {}
    assert told.scores.tolist() == plain.scores.tolist()
    layer = told.layers[last.tensor]
    assert layer.values.shape == last.shape
    assert layer.values.dtype == np.int8
    # The bundled model's features are the mean of its last map.
    assert plain.features is not None
    mean = layer.real().mean((0, 1))
    assert np.corrcoef(mean, plain.features)[0, 1] > 0.99


def test_a_layer_stays_as_it_was_when_the_next_picture_comes() -> None:
    [*_, last] = layers.find(paths.bundled_model().read_bytes()).maps
    [opened] = tflite.load_alike(ModelConfig(), layers=[last.tensor])
    first = opened.classify(np.zeros((32, 32, 3), np.uint8)).layers[last.tensor].values
    before = first.copy()
    opened.classify(np.full((32, 32, 3), 255, np.uint8))
    assert np.array_equal(first, before)


def test_a_listed_tensor_that_shares_bytes_with_another_part_is_refused() -> None:
    # Found by a fuzzer: the fields of its inputs and its outputs are one.
    data = (Path(__file__).parents[1] / "fuzz/corpus/model/fields-that-share-bytes").read_bytes()
    (found,) = layers.find(data).maps
    with pytest.raises(ModelError, match="damaged"):
        layers.expose(data, [found.tensor])
