"""What a model file says of itself, and that no damage gets past the first look."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import modelfile, runtimes
from edged.inference.modelfile import LabelFile
from tests.inference import builder


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as raised:
        modelfile.read(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_published_model_tells_normalisation_and_labels(shared_data: Path) -> None:
    path = shared_data / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    file = modelfile.read(path)
    assert (file.mean, file.std) == ((127.5,), (127.5,))
    ((named,),) = file.label_files.values()
    content = modelfile.packed(path, named.name, 1 << 20)
    assert content is not None
    assert content.splitlines()[1] == b"tench, Tinca tinca"


def test_what_is_packed_in_may_be_absent_or_too_long(shared_data: Path) -> None:
    path = shared_data / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite"
    ((named,),) = modelfile.read(path).label_files.values()
    assert modelfile.packed(path, "other.txt", 1 << 20) is None
    with pytest.raises(ModelError, match="over 100 bytes"):
        modelfile.packed(path, named.name, 100)


def test_the_label_file_is_named_by_the_metadata(tmp_path: Path) -> None:
    described = builder.metadata([1, 2, 3], [4, 5, 6], labels="colours.txt")
    file = modelfile.read(builder.colours(tmp_path / "model.tflite", metadata=described))
    assert (file.mean, file.std) == ((1, 2, 3), (4, 5, 6))
    assert list(file.label_files.values()) == [(LabelFile("colours.txt", ""),)]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_softmax_at_the_end_makes_probabilities(tmp_path: Path, dtype: str) -> None:
    for softmax in (True, False):
        path = builder.colours(tmp_path / "model.tflite", dtype, softmax=softmax)
        output = 4 if softmax else 2
        assert (modelfile.read(path).maker(output) == modelfile.SOFTMAX) is softmax


def test_a_missing_or_empty_file_and_what_is_no_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    assert "No such file" in refusal(path)
    path.write_bytes(b"")
    assert "empty or cut short" in refusal(path)
    path.write_bytes(b"cat\ndog\nbird\n")
    assert "not a TensorFlow Lite model" in refusal(path)
    assert "Is a directory" in refusal(tmp_path)


def test_a_model_cut_short_is_refused(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    content = path.read_bytes()
    for length in range(8, len(content) - 400, 7):
        path.write_bytes(content[:length])
        assert "cut short" in refusal(path)


def test_a_published_model_cut_short_is_refused(shared_data: Path, tmp_path: Path) -> None:
    content = (shared_data / "models" / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    for length in (1000, 100_000, 300_000, 500_000):
        path.write_bytes(content[:length])
        assert "cut short" in refusal(path)


def test_a_model_with_wrong_bytes_is_read_or_refused(tmp_path: Path) -> None:
    described = builder.metadata([1], [2], labels="colours.txt")
    path = builder.colours(tmp_path / "model.tflite", metadata=described)
    content = path.read_bytes()
    chance = random.Random(7)  # noqa: S311
    refused = 0
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[chance.randrange(8, len(damaged))] = chance.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            modelfile.read(path)
        except ModelError:
            refused += 1
    assert refused > 50


def test_a_model_that_is_written_over_goes_on_as_it_was_loaded(tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "model.tflite")
    runtime = runtimes.choose("auto")
    interpreter = runtimes.open_interpreter(runtime, path, ModelConfig(), 1)
    with path.open("r+b") as file:
        file.truncate(0)
    interpreter.invoke()
    with pytest.raises(ModelError, match="is empty or cut short"):
        modelfile.read(path)


def test_a_model_of_more_than_any_classifier_has_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tflite"
    with path.open("wb") as file:
        file.truncate(modelfile.MAX_BYTES + 1)
    with pytest.raises(ModelError, match="over 1024 MiB"):
        modelfile.read(path)


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    os.mkfifo(path)
    with pytest.raises(ModelError, match="not a regular file"):
        modelfile.read(path)


@pytest.mark.parametrize("at", [b"PK\x01\x02", b"PK\x05\x06"])
def test_an_archive_that_says_nonsense_of_itself_is_damaged(at: bytes, tmp_path: Path) -> None:
    path = builder.colours(tmp_path / "packed.tflite", "uint8")
    builder.pack(path, {"labels.txt": b"red\ngreen\nblue\n"})
    whole = path.read_bytes()
    begin = whole.index(at)
    for place in range(begin + 4, min(begin + 46, len(whole))):
        damaged = whole[:place] + b"\xff" + whole[place + 1 :]
        path.write_bytes(damaged)
        for name in modelfile.packed_names(path):
            with suppress(ModelError):
                modelfile.packed(path, name, 1 << 20)
