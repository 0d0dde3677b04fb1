"""A model that is no image classifier is refused as what it looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import labels, modelfile, tflite
from tests.inference import builder

IMAGE = [1, 320, 320, 3]


def written(
    path: Path,
    inputs: list[list[int]],
    outputs: list[list[int]],
    operator: str = "ADD",
    dtype: str = "float32",
) -> Path:
    model = builder.Model()
    taken = [model.tensor(shape, dtype) for shape in inputs]
    given = [model.tensor(shape) for shape in outputs]
    model.operator(operator, taken, given)
    path.write_bytes(model.content(taken, given))
    return path


def chain(path: Path, operators: list[str], outputs: list[list[int]] | None = None) -> Path:
    """A model of one operator after the other, the last of which gives all `outputs`."""
    model = builder.Model()
    image = before = model.tensor(IMAGE)
    for operator in operators[:-1]:
        after = model.tensor([1, 128])
        model.operator(operator, [before], [after])
        before = after
    given = [model.tensor(shape) for shape in outputs or [[1, 128]]]
    model.operator(operators[-1], [before], given)
    path.write_bytes(model.content([image], given))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as raised:
        tflite.read(ModelConfig(path=str(path)))
    message = str(raised.value)
    assert message.startswith(f"{path} looks like ")
    assert ": give an image classifier" in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("outputs", "operator", "kind"),
    [
        ([[1, 10, 4], [1, 10], [1, 10], [1]], "TFLite_Detection_PostProcess", "object detector"),
        ([[1, 10, 4], [1, 10], [1, 10], [1]], "ADD", "object detector"),
        ([[1, 1917, 4], [1, 1917, 91]], "ADD", "object detector"),
        ([[1, 896, 16], [1, 896, 1]], "ADD", "object detector"),
        ([[1, 6300, 85]], "ADD", "object detector"),
        ([[1, 84, 8400]], "ADD", "object detector"),
        ([[1, 116, 2100], [1, 32, 80, 80]], "ADD", "object detector"),
        ([[1, 40, 40, 255], [1, 20, 20, 255]], "ADD", "object detector"),
        ([[1, 257, 257, 21]], "ADD", "segmenter"),
        ([[1, 320, 320]], "ADD", "segmenter"),
        ([[1, 320, 320, 3]], "ADD", "generates pictures"),
        ([[1, 1, 17, 3]], "ADD", "pose estimator"),
        ([[1, 9, 9, 17], [1, 9, 9, 34], [1, 9, 9, 32]], "ADD", "pose estimator"),
        ([[1, 1, 1, 1404], [1, 1, 1, 1], [1, 1, 1, 1]], "ADD", "landmark model"),
        ([[1, 300, 85]], "ADD", "object detector"),
        ([[1, 20, 4], [1, 20]], "ADD", "object detector"),
        ([[1, 4, 4], [1, 4], [1, 4], [1]], "ADD", "object detector"),
        ([[1, 40, 40, 3]], "ADD", "detector such as FOMO"),
        ([[1, 40, 40, 3]], "SOFTMAX", "detector such as FOMO"),
        ([[1, 320, 320, 3]], "SOFTMAX", "segmenter"),
        ([[1, 1280, 1280, 3]], "ADD", "generates pictures"),
        ([[1, 10, 17, 2], [1, 10, 17], [1, 10], [1]], "PosenetDecoderOp", "pose estimator"),
        ([[1, 63], [1, 1], [1, 1]], "ADD", "landmark model"),
        ([[1, 128]], "L2_NORMALIZATION", "embedder"),
    ],
)
def test_outputs_and_operators_tell_the_kind(
    tmp_path: Path, outputs: list[list[int]], operator: str, kind: str
) -> None:
    path = written(tmp_path / "model.tflite", [IMAGE], outputs, operator)
    message = refusal(path)
    assert kind in message
    assert "x".join(map(str, outputs[0])) in message


@pytest.mark.parametrize(
    ("inputs", "dtype", "kind"),
    [
        ([[1, 384], [1, 384], [1, 384]], "int32", "text model"),
        ([[1, 256]], "int32", "text model"),
        ([[15600]], "float32", "model for sound"),
        ([[1, 44032]], "float32", "model for sound"),
        ([[1, 8, 172, 172, 3]], "float32", "video model"),
        ([[1, 7], [1, 1, 172, 172, 3]], "float32", "video model"),
        ([[1, 3]], "float32", "other rows of values"),
        ([[1, 8, 8, 3], [1, 8, 8, 1]], "float32", "a model with 2 inputs"),
    ],
)
def test_the_input_tells_the_kind(
    tmp_path: Path, inputs: list[list[int]], dtype: str, kind: str
) -> None:
    path = written(tmp_path / "model.tflite", inputs, [[1, 3]], dtype=dtype)
    message = refusal(path)
    assert kind in message
    assert "model.labels" not in message


@pytest.mark.parametrize(
    ("outputs", "operator"),
    [
        ([[1, 1001]], "SOFTMAX"),
        ([[1, 1000]], "MEAN"),
        ([[1, 1024]], "MEAN"),
        ([[1, 63], [1, 64]], "ADD"),
        ([[1, 195], [1, 1280]], "ADD"),
        ([[1, 10], [1, 63]], "ADD"),
        ([[1, 10], [1, 4, 4]], "ADD"),
        ([[1, 4], [1, 4, 4]], "ADD"),
        ([[1, 10], [1, 7, 7, 16]], "ADD"),
        ([[1, 10], [1, 197, 16]], "ADD"),
        ([[1, 1, 1, 1000]], "AVERAGE_POOL_2D"),
        ([[1, 1280], [1, 10]], "ADD"),
        ([[1, 1]], "LOGISTIC"),
    ],
)
def test_a_classifier_passes(tmp_path: Path, outputs: list[list[int]], operator: str) -> None:
    path = written(tmp_path / "model.tflite", [IMAGE], outputs, operator)
    assert tflite.read(ModelConfig(path=str(path))).path == path


@pytest.mark.parametrize("operators", [["RSQRT", "SUM", "MUL"], ["RSQRT", "EXP", "SUM", "DIV"]])
def test_a_classifier_that_normalises_inside_passes(tmp_path: Path, operators: list[str]) -> None:
    path = chain(tmp_path / "model.tflite", operators)
    assert tflite.read(ModelConfig(path=str(path))).path == path
    path.with_suffix(".txt").write_text("".join(f"class {i}\n" for i in range(128)))
    assert len(labels.find(modelfile.read(path)).names) == 128


@pytest.mark.parametrize(
    ("outputs", "operators", "kind"),
    [
        ([[1, 1280]], ["MEAN"], "embedder"),
        ([[1, 128]], ["SUM", "RSQRT", "MUL"], "embedder"),
        ([[1, 1, 1, 1404], [1, 1, 1, 1]], ["ADD"], "landmark model"),
        ([[1, 10, 1, 1]], ["ADD"], "without a list of class scores"),
    ],
)
def test_a_model_without_labels_is_told_what_it_looks_like(
    tmp_path: Path, outputs: list[list[int]], operators: list[str], kind: str
) -> None:
    path = chain(tmp_path / "model.tflite", operators, outputs)
    with pytest.raises(ModelError, match=f"looks like .*{kind}.*: give an image classifier"):
        labels.find(tflite.read(ModelConfig(path=str(path))))


@pytest.mark.parametrize(
    ("outputs", "operator", "classes"),
    [
        ([[1, 128]], "L2_NORMALIZATION", 128),
        ([[1, 63], [1, 1], [1, 1]], "ADD", 63),
        ([[1, 20, 4], [1, 20], [1, 20]], "ADD", 20),
    ],
)
def test_given_labels_that_fit_an_output_are_a_way_round(
    tmp_path: Path, outputs: list[list[int]], operator: str, classes: int
) -> None:
    path = written(tmp_path / "model.tflite", [IMAGE], outputs, operator)
    given = tmp_path / "given.txt"
    given.write_text("".join(f"class {i}\n" for i in range(classes + 1)))
    with pytest.raises(ModelError, match=r"looks like .*, or set model\.labels if it is one"):
        tflite.read(ModelConfig(path=str(path), labels=str(given)))
    given.write_text("".join(f"class {i}\n" for i in range(classes)))
    assert tflite.read(ModelConfig(path=str(path), labels=str(given))).path == path


@pytest.mark.parametrize("name", ["split_concat", "model_invoking_error"])
def test_published_models_that_take_no_picture_are_told_so(shared_data: Path, name: str) -> None:
    refusal(shared_data / "models" / f"{name}.tflite")


def test_every_published_classifier_passes(shared_data: Path) -> None:
    for path in (shared_data / "models").glob("*net*.tflite"):
        assert tflite.read(ModelConfig(path=str(path))).path == path
