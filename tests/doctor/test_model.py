"""A model that cannot be loaded, or is too slow for what is asked."""

from __future__ import annotations

from pathlib import Path

from edged.config.schema import CameraConfig, Config, ModelConfig
from edged.doctor import model
from edged.inference.tflite import TfliteClassifier


def levels(config: Config, *, runs: bool = False) -> dict[str, str]:
    return {found.id: found.level for found in model.look(config, runs=runs)}


def test_the_bundled_model_is_in_order() -> None:
    config = Config(camera=CameraConfig(fps=0.1))
    assert levels(config) == {"model": "ok", "xnnpack": "ok", "speed": "ok"}


def test_more_frames_than_the_board_can_do_are_told_with_what_it_can() -> None:
    config = Config(camera=CameraConfig(fps=1000.0, width_px=7680, height_px=4320))
    [found] = [one for one in model.look(config, runs=False) if one.id == "speed"]
    assert found.level == "warning"
    assert "camera.fps is 1000" in found.what
    assert "set camera.fps = " in found.advice


def test_beside_a_running_daemon_the_speed_is_no_fault() -> None:
    config = Config(camera=CameraConfig(fps=1000.0, width_px=7680, height_px=4320))
    assert levels(config, runs=True)["speed"] == "ok"


def test_a_model_without_xnnpack_is_told() -> None:
    found = {
        one.id: one for one in model.look(Config(model=ModelConfig(xnnpack=False)), runs=False)
    }
    assert found["xnnpack"].level == "warning"
    assert found["xnnpack"].advice == "set model.xnnpack = true"


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    config = Config(model=ModelConfig(path=str(tmp_path / "absent.tflite")))
    assert levels(config) == {"model": "error"}


def test_a_runtime_that_tells_no_share_is_not_judged() -> None:
    classifier = TfliteClassifier.__new__(TfliteClassifier)
    classifier.__dict__["delegated"] = None
    assert [*model._delegated(classifier, ModelConfig())] == []
