from __future__ import annotations

from pathlib import Path

import pytest

from edged.models.makers import hint


@pytest.mark.parametrize("name", ["model.tflite", "model_unquant.tflite"])
def test_an_export_of_teachable_machine_wants_the_middle(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (tmp_path / "labels.txt").write_text("0 Cat\n1 Empty bowl\n")
    told = hint(path, (224, 224))
    assert told is not None
    assert "Teachable Machine" in told
    assert 'camera.fit = "crop"' in told
    assert hint(path, (96, 96)) is None
    (tmp_path / "labels.txt").write_text("Cat\nEmpty bowl\n")
    assert hint(path, (224, 224)) is None
    (tmp_path / "labels.txt").unlink()
    assert hint(path, (224, 224)) is None


def test_an_export_of_edge_impulse_wants_the_middle(tmp_path: Path) -> None:
    name = "ei-bins-transfer-learning-tensorflow-lite-int8-quantized-model.3.lite"
    told = hint(tmp_path / name, (96, 96))
    assert told is not None
    assert "Edge Impulse" in told
    assert hint(tmp_path / "eight.tflite", (96, 96)) is None
