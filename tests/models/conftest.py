"""Sound and harmful models for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from edged.config.schema import ModelConfig
from tests.inference.builder import colours
from tests.models.mutants import mutants
from tests.models.server import Server, serving

FATAL = 24
"""Of the mutants of seed 0: LiteRT 2.3 reads beyond a tensor's quantisation and dies."""


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "colours.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


@pytest.fixture
def sound(tmp_path: Path, labels: Path) -> ModelConfig:
    """A tiny classifier that runs anywhere."""
    return ModelConfig(path=str(colours(tmp_path / "sound.tflite", "uint8")), labels=str(labels))


@pytest.fixture
def fatal(tmp_path: Path, shared_data: Path) -> ModelConfig:
    """A model that ends the process which loads or runs it."""
    names = ("mobilenet_v1_0.25_128_quant", "keras_lstm_mnist_ptq", "split_concat")
    models = [(shared_data / "models" / f"{name}.tflite").read_bytes() for name in names]
    (_, _, content), *_ = islice(mutants(models, FATAL + 1, 0), FATAL, None)
    path = tmp_path / "fatal.tflite"
    path.write_bytes(content)
    digits = tmp_path / "digits.txt"
    digits.write_text("".join(f"digit {number}\n" for number in range(10)))
    return ModelConfig(path=str(path), labels=str(digits))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running
