"""The model APIs before a model whose answers can be worked out by hand."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from edged.config.schema import Config, ModelConfig
from edged.web import api
from tests.inference.builder import colours


def picture(rgb: tuple[int, int, int], kind: str = "PNG") -> bytes:
    """A file with one colour in the size of the model."""
    data = io.BytesIO()
    Image.new("RGB", (4, 4), rgb).save(data, kind)
    return data.getvalue()


RED, GREEN = picture((255, 0, 0)), picture((0, 255, 0))
RED_PIXELS = np.full((1, 4, 4, 3), (255, 0, 0), np.uint8)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A model of three colours, called ``colours``."""
    path = colours(tmp_path_factory.mktemp("model") / "colours.tflite", "uint8")
    labels = path.with_name("labels.txt")
    labels.write_text("red\ngreen\nblue\n")
    return Config(model=ModelConfig(path=str(path), labels=str(labels)))


@pytest.fixture(scope="module")
def client(config: Config) -> Iterator[TestClient]:
    """Talks to the model APIs."""
    with TestClient(Starlette(routes=api.routes(config))) as talking:
        yield talking
