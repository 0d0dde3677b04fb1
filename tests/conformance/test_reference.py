"""The reference itself: answers that can be worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conformance import facts
from tests.conformance.reference import Reference, resized, upright
from tests.inference import builder

LITERT = "ai_edge_litert.interpreter"
COLOUR = (180, 90, 60)


def scores(path: Path, **told: Any) -> list[float]:
    model = Reference(path, told, LITERT, xnnpack=True)
    pixels = np.full((model.height_px, model.width_px, 3), COLOUR, np.uint8)
    return [float(score) for score in model.classify(pixels)]


def softmax(*logits: float) -> list[float]:
    exponents = np.exp(np.array(logits))
    return [float(value) for value in exponents / exponents.sum()]


def test_it_imports_nothing_of_edged() -> None:
    program = (
        "import sys, tests.conformance.reference\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'edged'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("mean", "std", "told", "entered"),
    [
        ([], [], {}, [(pixel - 127.5) / 127.5 for pixel in COLOUR]),
        ([0.0], [255.0], {}, [pixel / 255 for pixel in COLOUR]),
        ([0.0], [255.0], {"mean": [100.0], "std": [50.0]}, [1.6, -0.2, -0.8]),
        ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0], {}, [17.9, 4.4, 1.9]),
        ([0.0], [255.0], {"channels": "bgr"}, [pixel / 255 for pixel in COLOUR[::-1]]),
    ],
)
def test_a_float_input_is_normalised_as_told_or_as_the_file_says(
    tmp_path: Path,
    mean: list[float],
    std: list[float],
    told: dict[str, Any],
    entered: list[float],
) -> None:
    metadata = builder.metadata(mean, std) if mean else b""
    path = builder.colours(tmp_path / "m.tflite", metadata=metadata)
    assert scores(path, **told) == pytest.approx(softmax(*entered), abs=1e-4)


@pytest.mark.parametrize(
    ("quantised", "mean", "std", "steps"),
    [
        ((1 / 127, 128), [], [], COLOUR),
        ((1 / 127, 128), [0.0], [1.0], COLOUR),
        ((1 / 127, 128), [0.0], [255.0], COLOUR),
        ((1 / 100, 0), [0.0], [100.0], COLOUR),
        ((1 / 80, 20), [20.0, 20.0, 0.0], [80.0, 100.0, 120.0], (180, 76, 60)),
    ],
)
def test_metadata_of_a_quantised_input_counts_where_it_fits_the_tensor(
    tmp_path: Path,
    quantised: tuple[float, int],
    mean: list[float],
    std: list[float],
    steps: tuple[int, ...],
) -> None:
    metadata = builder.metadata(mean, std) if mean else b""
    path = builder.colours(
        tmp_path / "m.tflite", "uint8", softmax=False, quantised=quantised, metadata=metadata
    )
    scale, zero_point = quantised
    expected = softmax(*((step - zero_point) * scale for step in steps))
    assert scores(path) == pytest.approx(expected, abs=1e-4)


def test_int8_takes_the_pixel_less_128(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "m.tflite", "int8", softmax=False, quantised=(0.01, 5))
    expected = softmax(*((pixel - 128 - 5) * 0.01 for pixel in COLOUR))
    assert scores(path) == pytest.approx(expected, abs=1e-4)


def test_told_probabilities_are_left_as_they_are(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "m.tflite", softmax=False)
    found = scores(path, mean=[0.0], std=[360.0], scores="probabilities")
    assert found == pytest.approx([0.5, 0.25, 1 / 6], abs=1e-4)


@pytest.mark.parametrize(("labels", "shares"), [("dog\n", [0.75]), ("cat\ndog\n", [0.25, 0.75])])
def test_one_value_is_the_logit_of_the_last_label(
    tmp_path: Path, labels: str, shares: list[float]
) -> None:
    path = builder.echo(tmp_path / "m.tflite", "float32", (1, 1, 1, 1))
    (tmp_path / "m.txt").write_text(labels)
    model = Reference(path, {"scores": "logits"}, LITERT, xnnpack=True)
    assert model.scores(np.array([np.log(3)])) == pytest.approx(shares)


def test_a_step_of_a_quantised_logit_moves_a_score_by_what_the_softmax_makes_of_it(
    tmp_path: Path,
) -> None:
    path = builder.colours(tmp_path / "m.tflite", "int8", softmax=False, quantised=(0.5, 0))
    model = Reference(path, {}, LITERT, xnnpack=True)
    before, after = (model.scores(np.array([logit, 0.0, -1.0])) for logit in (0.5, 0.0))
    assert model.step(before) == pytest.approx(abs(after - before).max())


def test_a_picture_is_upright_before_it_is_cropped_to_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "p.png", exif=exif)
    picture = upright(tmp_path / "p.png")
    assert picture.size == (20, 60)
    assert resized(picture, 4, 4, "crop").min() == 200
    assert resized(picture, 4, 4, "stretch").min() < 10


def test_what_ends_a_model_is_seen_through_operators_that_keep_the_values(tmp_path: Path) -> None:
    model = builder.Model()
    image = model.tensor([1, 1, 1, 3])
    values, shares, flat = (model.tensor([1, 3]), model.tensor([1, 3]), model.tensor([1, 1, 1, 3]))
    model.reshape(image, values)
    model.softmax(values, shares)
    model.reshape(shares, flat)
    (tmp_path / "m.tflite").write_bytes(model.content([image], [flat]))
    found = facts.read(tmp_path / "m.tflite")
    assert facts.last_operator(found, flat) == "SOFTMAX"
    assert facts.last_operator(found, values) == ""
