"""Real models on real pictures give the known answers; hand-made ones give those worked out."""

from __future__ import annotations

import csv
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edged.config.schema import ModelConfig
from edged.core import Pixels
from edged.errors import ModelError
from edged.inference import runtimes, tflite
from edged.inference.tflite import TfliteClassifier
from tests.inference import builder

RED, GREEN, BLUE = (200, 40, 30), (10, 250, 60), (0, 100, 160)


def picture(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def plain(colour: tuple[int, int, int], height: int = 40, width: int = 30) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def load(path: Path, fit: Any = "stretch", **options: Any) -> TfliteClassifier:
    return tflite.load(ModelConfig(path=str(path), **options), fit)


def published(shared_data: Path, name: str, labels: str = "", **options: Any) -> TfliteClassifier:
    given = str(shared_data / "labels" / f"{labels}_labels.txt") if labels else ""
    return load(shared_data / "models" / f"{name}.tflite", labels=given, **options)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as raised:
        load(path, **options)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.fixture
def names(tmp_path: Path) -> str:
    path = tmp_path / "colours.txt"
    path.write_text("red\ngreen\nblue\n")
    return str(path)


# Known answers: those of shared/data's README; of the iNaturalist models those of Coral's examples
# (chickadee) and of libcoral's classification tests (class 912 for the dragonfly).

IMAGENET = [
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.5_160_quant",
    "mobilenet_v1_0.75_192_quant",
    "mobilenet_v2_1.0_224_quant",
    "tf2_mobilenet_v2_1.0_224_ptq",
]


@pytest.mark.parametrize("name", IMAGENET)
def test_every_imagenet_model_knows_the_cat_and_the_flower(shared_data: Path, name: str) -> None:
    classifier = published(shared_data, name, "imagenet")
    for image, answers in (
        ("cat.bmp", ("Egyptian cat", "tabby, tabby cat")),
        # On this one the smallest model wavers between the three cats that it knows.
        ("cat_720p.jpg", ("Egyptian cat", "tabby, tabby cat", "tiger cat")),
        ("sunflower.bmp", ("daisy",)),
    ):
        best = classifier.classify(picture(shared_data / "images" / image)).top(1)[0]
        assert best.label in answers, image
        assert classifier.labels[best.index] == best.label


@pytest.mark.parametrize("name", IMAGENET[2:])
def test_the_larger_imagenet_models_know_the_uniform(shared_data: Path, name: str) -> None:
    classifier = published(shared_data, name, "imagenet")
    prediction = classifier.classify(picture(shared_data / "images" / "grace_hopper.bmp"))
    assert prediction.top(1)[0].label == "military uniform"


@pytest.mark.parametrize(
    ("name", "image", "answer"),
    [
        ("bird", "bird.bmp", "Poecile atricapillus (Black-capped Chickadee)"),
        ("insect", "dragonfly.bmp", "Micrathyria hagenii (Thornbush Dasher)"),
    ],
)
def test_the_inaturalist_models_know_their_species(
    shared_data: Path, name: str, image: str, answer: str
) -> None:
    model = f"mobilenet_v2_1.0_224_inat_{name}_quant"
    classifier = published(shared_data, model, f"inat_{name}")
    best = classifier.classify(picture(shared_data / "images" / image)).top(1)[0]
    assert best.label == answer
    assert best.score > 0.5


def test_a_grey_model_without_channels_reads_the_nine(shared_data: Path, tmp_path: Path) -> None:
    digits = tmp_path / "digits.txt"
    digits.write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    model = shared_data / "models" / "keras_lstm_mnist_ptq.tflite"
    classifier = load(model, labels=str(digits))
    best = classifier.classify(picture(shared_data / "images" / "mnist_nine.bmp")).top(1)[0]
    assert best.label == "nine"
    assert best.score > 0.9


def test_the_accuracy_over_the_sample_of_imagenet_is_kept(shared_data: Path) -> None:
    folder = shared_data / "imagenet-sample"
    classifier = published(shared_data, "tf2_mobilenet_v2_1.0_224_ptq", "imagenet")
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::4]
    right = sum(
        classifier.classify(picture(folder / row["file"])).top(1)[0].index == int(row["index1001"])
        for row in rows
    )
    assert right / len(rows) > 0.75


@pytest.mark.parametrize("name", [IMAGENET[0], "tf2_mobilenet_v2_1.0_224_ptq"])
def test_scores_are_those_of_the_bare_runtime_to_the_last_bit(shared_data: Path, name: str) -> None:
    classifier = published(shared_data, name, "imagenet")
    size = classifier.input_px[::-1]
    image = Image.open(shared_data / "images" / "resized_cat.bmp").convert("RGB").resize(size)
    pixels = np.asarray(image)
    runtime = runtimes.choose("auto")
    bare = runtimes.open_interpreter(runtime, classifier.path, ModelConfig(), classifier.threads)
    bare.set_tensor(bare.get_input_details()[0]["index"], pixels[np.newaxis])
    bare.invoke()
    output = bare.get_output_details()[0]
    scale, zero_point = output["quantization"]
    quantised = bare.get_tensor(output["index"])[0].astype(np.int32)
    expected = ((quantised - zero_point) * scale).astype(np.float32)
    for _ in range(3):
        assert np.array_equal(classifier.classify(pixels).scores, expected)


# Tensor types, normalisation and shapes.


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("softmax", [True, False])
def test_every_tensor_type_gives_the_softmax_of_the_mean_colour(
    tmp_path: Path, names: str, dtype: str, softmax: bool
) -> None:
    path = builder.colours(tmp_path / "model.tflite", dtype, softmax=softmax)
    classifier = load(path, labels=names, mean=[0.0], std=[255.0])
    for colour, label in ((RED, "red"), (GREEN, "green"), (BLUE, "blue")):
        prediction = classifier.classify(plain(colour))
        exponents = np.exp(np.array(colour) / 255)
        assert prediction.scores == pytest.approx(exponents / exponents.sum(), abs=1 / 128)
        assert prediction.top(1)[0].label == label


def test_softmax_is_applied_to_logits_only_unless_the_configuration_says(
    tmp_path: Path, names: str
) -> None:
    path = builder.colours(tmp_path / "model.tflite", softmax=False)
    normalised = {"labels": names, "mean": [0.0], "std": [255.0]}
    scores = load(path, **normalised).classify(plain(RED)).scores
    assert scores.sum() == pytest.approx(1.0)
    scores = load(path, scores="probabilities", **normalised).classify(plain(RED)).scores
    assert scores == pytest.approx(np.array(RED) / 255)
    path = builder.colours(tmp_path / "model.tflite", softmax=True)
    twice = load(path, scores="logits", **normalised).classify(plain(RED)).scores
    assert twice.max() < 0.4


def test_scores_beyond_what_a_probability_can_be_are_bound(tmp_path: Path, names: str) -> None:
    path = builder.colours(tmp_path / "model.tflite", softmax=False)
    options = {"labels": names, "mean": [100.0], "std": [50.0], "scores": "probabilities"}
    scores = load(path, **options).classify(plain((250, 125, 0))).scores
    assert scores.tolist() == [1.0, 0.5, 0.0]


def echoed(path: Path, pixels: Pixels, fit: str = "stretch", **options: Any) -> Any:
    """What arrives in the input tensor, as real values."""
    labels = path.with_name("pixels.txt")
    classifier = load(path, fit, labels=str(labels), **options)
    return classifier.classify(pixels).features


@pytest.fixture
def echo(tmp_path: Path) -> Any:
    """Make a model that tells its input of 3 x 5 pixels, with labels that fit."""

    def make(dtype: str, channels: int | None = 3, **options: Any) -> Path:
        shape = (1, 3, 5) if channels is None else (1, 3, 5, channels)
        count = 15 * (channels or 1)
        (tmp_path / "pixels.txt").write_text("\n".join(f"p{n}" for n in range(count)))
        return builder.echo(tmp_path / "echo.tflite", dtype, shape, **options)

    return make


RANDOM = np.random.default_rng(3).integers(0, 256, (3, 5, 3), np.uint8)
FLAT = RANDOM.reshape(-1).astype(np.float64)


def test_an_integer_input_gets_the_pixels_themselves(echo: Any) -> None:
    # With scale 1 the real value is q - zero point: q is the pixel, or the pixel - 128.
    assert np.array_equal(echoed(echo("uint8", quantised=(1.0, 0)), RANDOM), FLAT)
    assert np.array_equal(echoed(echo("int8", quantised=(1.0, -128)), RANDOM), FLAT)
    assert np.array_equal(
        echoed(echo("uint8", quantised=(0.0078125, 128)), RANDOM), (FLAT - 128) / 128
    )


def test_a_float_input_gets_minus_one_to_one(echo: Any) -> None:
    assert echoed(echo("float32"), RANDOM) == pytest.approx((FLAT - 127.5) / 127.5, abs=1e-6)


def test_metadata_normalises_and_the_configuration_outranks_it(echo: Any) -> None:
    path = echo("float32", metadata=builder.metadata([10, 20, 30], [2, 4, 8], outputs=2))
    expected = ((RANDOM - np.array([10.0, 20.0, 30.0])) / [2, 4, 8]).reshape(-1)
    assert echoed(path, RANDOM) == pytest.approx(expected, abs=1e-5)
    assert echoed(path, RANDOM, mean=[0.0], std=[255.0]) == pytest.approx(FLAT / 255, abs=1e-6)


IMAGENET_MEAN, IMAGENET_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
IMAGENET_STEP = 4.76 / 255
"""From -2.12 (black in red) to 2.64 (white in blue)."""


@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 114), ("int8", -14)])
def test_metadata_that_fills_the_range_of_an_integer_input_normalises_it(
    echo: Any, dtype: str, zero_point: int
) -> None:
    described = builder.metadata(IMAGENET_MEAN, IMAGENET_STD, outputs=2)
    path = echo(dtype, quantised=(IMAGENET_STEP, zero_point), metadata=described)
    expected = ((RANDOM - np.array(IMAGENET_MEAN)) / IMAGENET_STD).reshape(-1)
    assert echoed(path, RANDOM) == pytest.approx(expected, abs=IMAGENET_STEP)


@pytest.mark.parametrize(
    ("dtype", "quantised", "mean", "std"),
    [
        ("uint8", (1 / 127, 128), [0], [1]),
        ("uint8", (0.0, 0), [127.5], [127.5]),
        ("int8", (0.0, 0), [127.5], [127.5]),
        ("uint8", (1 / 255, 0), [127.5], [127.5]),
        ("int8", (1.0, -128), [127.5], [127.5]),
        ("uint8", (0.02, 0), [0], [100]),
        ("uint8", (1.0, 0), [0], [0]),
        ("uint8", (1.0, 0), [0, 0], [1, 1]),
        ("int8", (1 / 128, 0), [float("nan")], [127.5]),
    ],
)
def test_metadata_that_does_not_fit_an_integer_input_leaves_the_pixel_as_it_is(
    echo: Any, dtype: str, quantised: tuple[float, int], mean: list[float], std: list[float]
) -> None:
    described = echo(dtype, quantised=quantised, metadata=builder.metadata(mean, std, outputs=2))
    told = echoed(described, RANDOM)
    assert np.array_equal(told, echoed(echo(dtype, quantised=quantised), RANDOM))


@pytest.mark.parametrize("mean", [[0.0], [123.0]])
def test_a_configuration_that_cuts_pixels_off_is_obeyed_and_told(
    echo: Any, mean: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    echoed(echo("uint8", quantised=(1 / 255, 0)), RANDOM, mean=mean, std=[1.0])
    (record,) = caplog.records
    assert "model.mean and model.std do not fit its integer input" in record.getMessage()


def test_a_std_that_is_meant_for_pixels_of_0_to_1_is_told(
    echo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    std = [0.229, 0.224, 0.225]
    echoed(echo("float32"), RANDOM, mean=[0.485, 0.456, 0.406], std=std)
    echoed(echo("float32", metadata=builder.metadata([0.4], [0.2], outputs=2)), RANDOM)
    echoed(echo("uint8", quantised=(1.0, 0)), RANDOM, mean=[0.0], std=[0.5])
    told = [record.getMessage() for record in caplog.records]
    assert ["std is below 1, as for pixels of 0..1" in line for line in told] == [True] * 3


def test_a_model_that_wants_blue_first_gets_it(echo: Any) -> None:
    reversed_pixels = RANDOM[..., ::-1].reshape(-1).astype(np.float64)
    path = echo("uint8", quantised=(1.0, 0))
    assert np.array_equal(echoed(path, RANDOM, channels="bgr"), reversed_pixels)
    # Each colour keeps the mean that is given for it.
    mean, std = [103.0, 116.0, 123.0], [1.0, 2.0, 3.0]
    given = echoed(echo("float32"), RANDOM, channels="bgr", mean=mean, std=std)
    expected = ((RANDOM - np.array(mean)) / std)[..., ::-1].reshape(-1)
    assert given == pytest.approx(expected, abs=1e-4)


def test_a_guessed_normalisation_is_told_once(echo: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = echo("float32")
    echoed(path, RANDOM, mean=[0.0], std=[255.0])
    assert not caplog.records
    echoed(path, RANDOM)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "-1..1 is a guess: set model.mean and model.std" in record.getMessage()


def test_metadata_that_means_the_plain_pixel_gives_it(echo: Any) -> None:
    described = builder.metadata([127.5], [127.5], outputs=2)
    path = echo("int8", quantised=(0.0078125, 0), metadata=described)
    assert np.array_equal(echoed(path, RANDOM), (FLAT - 128) / 128)


@pytest.mark.parametrize("channels", [1, None])
def test_a_grey_model_gets_luma(echo: Any, channels: int | None) -> None:
    grey = np.asarray(Image.fromarray(RANDOM).convert("L")).reshape(-1)
    path = echo("uint8", channels, quantised=(1.0, 0))
    assert np.array_equal(echoed(path, RANDOM), grey)


def test_a_picture_is_stretched_or_cropped_to_the_middle(echo: Any) -> None:
    path = echo("uint8", quantised=(1.0, 0))
    wide = np.zeros((3, 9, 3), np.uint8)
    wide[:, 2:7] = RANDOM
    assert np.array_equal(echoed(path, wide, "crop"), FLAT)
    assert not np.array_equal(echoed(path, wide, "stretch"), FLAT)


def test_a_turned_view_is_read_as_the_turned_picture(echo: Any) -> None:
    path = echo("uint8", quantised=(1.0, 0))
    turned = np.rot90(np.ascontiguousarray(np.rot90(RANDOM)), -1)
    assert not turned.flags.c_contiguous
    assert np.array_equal(echoed(path, turned), FLAT)


def test_scores_are_the_callers_own(tmp_path: Path, names: str) -> None:
    classifier = load(builder.colours(tmp_path / "model.tflite", "uint8"), labels=names)
    first = classifier.classify(plain(RED))
    kept = first.scores.copy()
    classifier.classify(plain(BLUE))
    assert np.array_equal(first.scores, kept)
    assert first.scores.dtype == np.float32
    assert set(first.stages_s) == {"resize", "tensor", "invoke", "scores"}
    assert min(first.stages_s.values()) >= 0.0
    with classifier as entered:
        assert entered is classifier


def test_a_model_without_a_second_output_has_no_features(tmp_path: Path, names: str) -> None:
    classifier = load(builder.colours(tmp_path / "model.tflite"), labels=names)
    assert classifier.classify(plain(RED)).features is None


def test_what_was_loaded_is_told_and_logged_once(
    tmp_path: Path, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = builder.colours(tmp_path / "colours.tflite", height=7, width=5)
    with caplog.at_level(logging.INFO, logger="edged"):
        classifier = load(path, labels=names, threads=2, xnnpack=False)
    assert classifier.name == "colours"
    assert classifier.path == path
    assert classifier.input_px == (7, 5)
    assert classifier.threads == 2
    assert classifier.delegated == 0.0
    assert classifier.runtime == runtimes.choose("auto").title
    (record,) = (given for given in caplog.records if given.levelname == "INFO")
    for told in (
        str(path),
        classifier.runtime,
        "threads: 2",
        "0%",
        "5x7 RGB float32 normalised by default to -1..1, a guess",
    ):
        assert told in record.getMessage()


# What the values are, where no softmax ends the model.


def followed(path: Path, after: str) -> Path:
    """Softmax of two values, and something after it."""
    model = builder.Model()
    image = model.tensor([1, 1, 1, 1], name="image")
    value, two = model.tensor([1, 1]), model.tensor([1, 2])
    soft, last = model.tensor([1, 2], name="soft"), model.tensor([1, 2], name="last")
    model.reshape(image, value)
    weights = model.tensor([2, 1], data=np.array([1, -1], np.float32).tobytes())
    bias = model.tensor([2], data=np.zeros(2, np.float32).tobytes())
    model.operator("FULLY_CONNECTED", [value, weights, bias], [two], kind="FullyConnectedOptions")
    if after == "LOGISTIC":
        model.operator("LOGISTIC", [two], [soft])
        most = model.tensor([1], data=np.ones(1, np.float32).tobytes())
        model.operator("MINIMUM", [soft, most], [last])
    else:
        model.softmax(two, soft)
        one = model.tensor([1], data=np.ones(1, np.float32).tobytes())
        model.operator("MUL", [soft, one], [last], kind="MulOptions")
    path.write_bytes(model.content([image], [last]))
    path.with_suffix(".txt").write_text("yes\nno\n")
    return path


def test_probabilities_are_known_by_what_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classifier = load(followed(tmp_path / "model.tflite", "SOFTMAX"), mean=[100.0], std=[10.0])
    assert not classifier.scores.logits
    assert classifier.classify(grey(110)).scores == pytest.approx([0.8808, 0.1192], abs=1e-4)
    assert not caplog.records


def test_outputs_of_0_to_1_that_sum_to_something_else_are_a_spoken_guess(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = followed(tmp_path / "model.tflite", "LOGISTIC")
    bare = {"mean": [100.0], "std": [10.0]}
    load(path, scores="probabilities", **bare)
    assert not caplog.records
    # One and its opposite sum to 1; so the second label's value is of another picture.
    monotone = load(path, **bare)
    assert monotone.scores.logits is False


# One output value.


def one_value(path: Path, last: str = "") -> Path:
    """Tells the one float pixel that it gets, through `last` if that is an operator."""
    model = builder.Model()
    image = model.tensor([1, 1, 1, 1], name="image")
    value = model.tensor([1, 1], name="value")
    model.reshape(image, value)
    output = value
    if last:
        output = model.tensor([1, 1], name="answer")
        options = {"kind": "SoftmaxOptions", "beta": 1.0} if last == "SOFTMAX" else {}
        model.operator(last, [value], [output], **options)
    path.write_bytes(model.content([image], [output]))
    return path


def grey(level: int) -> Pixels:
    return np.full((2, 2, 3), level, np.uint8)


LOGIT = {"mean": [100.0], "std": [10.0]}


def test_one_value_of_unknown_meaning_is_refused_until_it_is_told(tmp_path: Path) -> None:
    path = one_value(tmp_path / "one.tflite")
    path.with_suffix(".txt").write_text("dog\n")
    message = refusal(path, **LOGIT)
    assert 'set model.scores = "logits"' in message
    assert "background" not in message


@pytest.mark.parametrize(("last", "options"), [("", {"scores": "logits"}), ("LOGISTIC", {})])
def test_one_value_is_the_score_of_the_one_label(
    tmp_path: Path, last: str, options: dict[str, Any]
) -> None:
    path = one_value(tmp_path / "one.tflite", last)
    path.with_suffix(".txt").write_text("dog\n")
    classifier = load(path, **LOGIT, **options)
    for level, score in ((0, 4.54e-5), (100, 0.5), (120, 0.8808), (255, 1.0)):
        assert classifier.classify(grey(level)).scores == pytest.approx([score], abs=1e-4)


def test_one_value_is_the_score_of_the_second_label_and_the_first_has_the_rest(
    tmp_path: Path,
) -> None:
    path = one_value(tmp_path / "one.tflite", "LOGISTIC")
    path.with_suffix(".txt").write_text("no dog\ndog\n")
    told = load(path, **LOGIT).classify(grey(120))
    assert told.scores == pytest.approx([0.1192, 0.8808], abs=1e-4)
    assert [ranked.label for ranked in told.top(2)] == ["dog", "no dog"]


def test_one_value_told_to_be_a_probability_is_taken_as_it_is(tmp_path: Path) -> None:
    path = one_value(tmp_path / "one.tflite")
    path.with_suffix(".txt").write_text("dog\n")
    classifier = load(path, mean=[0.0], std=[255.0], scores="probabilities")
    assert classifier.classify(grey(51)).scores == pytest.approx([0.2])


def test_one_value_takes_no_third_label(tmp_path: Path) -> None:
    path = one_value(tmp_path / "one.tflite", "LOGISTIC")
    path.with_suffix(".txt").write_text("cat\ndog\ncow\n")
    assert "3 labels" in refusal(path, **LOGIT)


@pytest.mark.parametrize("scores", ["auto", "probabilities", "logits"])
def test_a_softmax_over_one_value_is_refused(tmp_path: Path, scores: str) -> None:
    path = one_value(tmp_path / "one.tflite", "SOFTMAX")
    path.with_suffix(".txt").write_text("dog\n")
    assert "1 for every picture" in refusal(path, scores=scores, **LOGIT)


# Which output holds the scores.


def two_outputs(path: Path, sizes: list[int], names: dict[int, str]) -> Path:
    model = builder.Model()
    image = model.tensor([1, 2, 2, 3])
    rows = model.tensor([1, 12])
    model.reshape(image, rows)
    outputs = []
    for size in sizes:
        output = model.tensor([1, size])
        weights = model.tensor([size, 12], data=np.zeros((size, 12), np.float32).tobytes())
        bias = np.linspace(0, 1, size, dtype=np.float32)
        model.operator(
            "FULLY_CONNECTED",
            [rows, weights, model.tensor([size], data=bias.tobytes())],
            [output],
            kind="FullyConnectedOptions",
        )
        outputs.append(output)
    described = {outputs[number]: name for number, name in names.items()}
    path.write_bytes(model.content([image], outputs, names=described))
    return path


def test_scores_are_told_from_features_by_name(tmp_path: Path, names: str) -> None:
    path = two_outputs(tmp_path / "model.tflite", [3, 3], {0: "features", 1: "scores"})
    classifier = load(path, labels=names)
    features = classifier.classify(plain(RED)).features
    assert features is not None
    assert features.tolist() == [0.0, 0.5, 1.0]


def test_scores_are_told_from_features_by_the_number_of_labels(tmp_path: Path, names: str) -> None:
    path = two_outputs(tmp_path / "model.tflite", [8, 3], {})
    classifier = load(path, labels=names)
    prediction = classifier.classify(plain(RED))
    assert prediction.scores.shape == (3,)
    assert prediction.features is not None
    assert prediction.features.shape == (8,)


def test_outputs_that_nothing_tells_apart_are_refused(tmp_path: Path, names: str) -> None:
    path = two_outputs(tmp_path / "model.tflite", [3, 3], {})
    assert "2 outputs and is not known to be a classifier" in refusal(path, labels=names)
    path = two_outputs(tmp_path / "model.tflite", [3, 4, 5, 6, 7], {})
    assert "5 outputs and is not known to be a classifier" in refusal(path, labels=names)


# Labels: where they come from, and their count.


def test_labels_come_from_the_model_itself(shared_data: Path, tmp_path: Path) -> None:
    assert published(shared_data, IMAGENET[-1]).labels[1] == "tench, Tinca tinca"
    described = builder.metadata(labels="inside.txt")
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    builder.pack(path, {"inside.txt": b"0 rot\n1 gruen\n2 blau\n"})
    (tmp_path / "labels.txt").write_text("outside\n")
    assert load(path).labels == ("rot", "gruen", "blau")


def test_labels_come_from_beside_the_model(tmp_path: Path) -> None:
    # As Teachable Machine exports them: model.tflite and labels.txt, with indices.
    path = builder.colours(tmp_path / "model.tflite", "uint8")
    (tmp_path / "labels.txt").write_text("0 red\n1 green\n2 blue\n")
    assert load(path).labels == ("red", "green", "blue")
    (tmp_path / "model.txt").write_text("r\ng\nb\n")
    assert load(path).labels == ("r", "g", "b")


def test_a_model_without_labels_says_what_to_do(tmp_path: Path) -> None:
    message = refusal(builder.colours(tmp_path / "model.tflite"))
    assert "neither model.txt nor labels.txt" in message
    assert "set model.labels" in message


@pytest.mark.parametrize(
    ("text", "count", "advice"),
    [
        ("red\ngreen\n", 2, "add it as the first line"),
        ("background\nred\ngreen\nblue\n", 4, "remove its line"),
        ("red\n", 1, "set model.labels"),
    ],
)
def test_a_count_that_does_not_match_is_told(
    tmp_path: Path, text: str, count: int, advice: str
) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    labels = tmp_path / "wrong.txt"
    labels.write_text(text)
    message = refusal(path, labels=str(labels))
    assert f"{path} has 3 outputs, {labels} has {count} labels" in message
    assert advice in message


# Models that are no image classifiers.


def test_a_model_with_five_outputs_is_refused(shared_data: Path) -> None:
    message = refusal(shared_data / "models" / "split_concat.tflite")
    assert "looks like a model with 3 inputs" in message


def test_an_empty_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.touch()
    assert f"{path} is empty or cut short" in refusal(path)


def made(path: Path, shape: list[int], dtype: str, classes: list[int], result: str) -> Path:
    """A model that only reshapes."""
    model = builder.Model()
    image, scores = model.tensor(shape, dtype, name="image"), model.tensor(classes, result)
    model.reshape(image, scores)
    path.write_bytes(model.content([image], [scores]))
    return path


@pytest.mark.parametrize(
    ("shape", "dtype", "classes", "told"),
    [
        ([1, 12], "float32", [1, 12], "looks like a model for sound or other rows"),
        ([1, 3, 2, 2], "float32", [1, 12], "input image of shape 1x3x2x2 is not an image"),
        ([2, 2, 1, 3], "float32", [1, 12], "input image of shape 2x2x1x3 is not an image"),
        ([1, -1, -1, 3], "float32", [1, 3], "has no fixed size"),
        ([1, 2, 2, 3], "int32", [1, 12], "input image is int32"),
        ([1, 2, 2, 3], "float32", [1, 2, 6], "outputs (1x2x6 float32) is a list of class scores"),
    ],
)
def test_a_model_that_is_no_image_classifier_is_refused(
    tmp_path: Path, names: str, shape: list[int], dtype: str, classes: list[int], told: str
) -> None:
    path = made(tmp_path / "model.tflite", shape, dtype, classes, dtype)
    message = refusal(path, labels=names)
    assert message.startswith(str(path))
    assert told in message


def test_a_name_inside_of_a_model_cannot_spoil_the_message(tmp_path: Path) -> None:
    model = builder.Model()
    image, scores = model.tensor([1, 12], name="a\nb\x1b[31m"), model.tensor([1, 12])
    model.reshape(image, scores)
    path = tmp_path / "model.tflite"
    path.write_bytes(model.content([image], [scores]))
    assert refusal(path).isprintable()
    path.write_bytes(model.content([image], [scores], names={scores: "a\nb"}))
    assert refusal(path).isprintable()
    model.operator("fake\x1b[31m", [image], [scores])
    path.write_bytes(model.content([image], [scores]))
    assert refusal(path).isprintable()


def test_a_batch_that_is_not_fixed_is_one_picture(tmp_path: Path) -> None:
    path = made(tmp_path / "model.tflite", [-1, 2, 2, 3], "float32", [1, 12], "float32")
    (tmp_path / "labels.txt").write_text("\n".join("abcdefghijkl"))
    scores = load(path, mean=[0], std=[255]).classify(plain((0, 0, 255), 2, 2)).scores
    assert scores[2::3] == pytest.approx([np.e / 4 / (2 + np.e)] * 4)


@pytest.mark.parametrize(
    ("mean", "std", "told"),
    [([1.0, 2.0], [1.0], "2 values for 3 channels"), ([0.0], [0.0], "std finite and above 0")],
)
def test_a_normalisation_that_makes_no_sense_is_refused(
    tmp_path: Path, names: str, mean: list[float], std: list[float], told: str
) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    message = refusal(path, labels=names, mean=mean, std=std)
    assert told in message
    assert "model.mean" in message


def test_a_copied_model_loads_from_a_path_with_blanks(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mein Modell"
    folder.mkdir()
    shutil.copy(shared_data / "models" / f"{IMAGENET[0]}.tflite", folder / "größe.tflite")
    assert load(folder / "größe.tflite").name == "größe"


def test_a_model_that_keeps_something_from_run_to_run_takes_each_picture_as_the_first(
    shared_data: Path, tmp_path: Path
) -> None:
    digits = tmp_path / "digits.txt"
    digits.write_text("\n".join(f"digit {number}" for number in range(10)))
    path = shared_data / "models/keras_lstm_mnist_ptq.tflite"
    classifier = load(path, labels=str(digits), scores="probabilities")
    nine = picture(shared_data / "images/mnist_nine.bmp")
    noise = np.random.default_rng(1).integers(0, 256, nine.shape, np.uint8)
    first = classifier.classify(nine).scores
    classifier.classify(noise)
    assert np.array_equal(classifier.classify(nine).scores, first)
