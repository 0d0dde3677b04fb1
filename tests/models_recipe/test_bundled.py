"""The bundled model, as the default runtime reads it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MODELS = Path(__file__).parent.parent.parent / "models"
MODEL = MODELS / "edged-cifar10-int8.tflite"

interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")


@pytest.fixture(scope="module")
def interpreter():
    loaded = interpreter_module.Interpreter(model_path=str(MODEL), num_threads=1)
    loaded.allocate_tensors()
    return loaded


def answer(interpreter, pixels):
    """Return scores and features in real numbers for pixels ``[32, 32, 3]``."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
    interpreter.invoke()
    found = []
    for detail in interpreter.get_output_details():
        scale, zero_point = detail["quantization"]
        raw = interpreter.get_tensor(detail["index"])[0].astype(np.float32)
        found.append((raw - zero_point) * scale)
    return found


def test_takes_bytes_and_gives_scores_before_features(interpreter):
    (pixels,) = interpreter.get_input_details()
    scores, features = interpreter.get_output_details()
    assert (pixels["name"], pixels["dtype"]) == ("pixels", np.uint8)
    assert (scores["name"], features["name"]) == ("scores", "features")
    assert list(scores["shape"]) == [1, 10]
    assert list(features["shape"]) == [1, 256]


def test_one_step_of_the_input_is_one_step_of_a_pixel(interpreter):
    (pixels,) = interpreter.get_input_details()
    assert pixels["quantization"] == (1 / 128, 128)


def test_signature_names_the_outputs(interpreter):
    (signature,) = interpreter.get_signature_list().values()
    assert signature["inputs"] == ["pixels"]
    assert sorted(signature["outputs"]) == ["features", "scores"]


def test_weights_are_int8_per_channel(interpreter):
    filters = [
        tensor
        for tensor in interpreter.get_tensor_details()
        if len(tensor["quantization_parameters"]["scales"]) > 1 and tensor["dtype"] == np.int8
    ]
    assert len(filters) > 30


def test_labels_are_inside_and_beside():
    with zipfile.ZipFile(io.BytesIO(MODEL.read_bytes())) as archive:
        inside = archive.read("labels.txt").decode().split()
    assert inside == MODEL.with_suffix(".labels.txt").read_text().split()
    assert len(inside) == 10


def test_is_small():
    assert MODEL.stat().st_size <= 900_000


def test_scores_are_probabilities(interpreter):
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    scores, features = answer(interpreter, noise)
    assert scores.sum() == pytest.approx(1, abs=0.03)
    assert (features >= 0).all()


def test_is_as_good_as_its_card_says(interpreter, shared_data):
    row = next(x for x in MODEL.with_suffix(".md").read_text().splitlines() if x[:7] == "| test ")
    said = float(row.split("|")[3].strip(" %")) / 100
    labels = MODEL.with_suffix(".labels.txt").read_text().split()
    right = []
    with zipfile.ZipFile(shared_data / "training/cifar10/test.zip") as archive:
        for name in sorted(archive.namelist())[::20]:
            picture = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            scores, _ = answer(interpreter, np.asarray(picture))
            right.append(labels[scores.argmax()] == name.split("/")[0])
    assert np.mean(right) == pytest.approx(said, abs=0.05)  # three deviations for 400 pictures
