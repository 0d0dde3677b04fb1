"""Cameras in processes of their own, with a fault on demand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from edged import build
from edged.cameras.isolation import process
from edged.config.schema import CameraConfig
from edged.core import Camera
from tests.cameras.isolation.faulty import Switch

CONFIG = CameraConfig(
    kind="v4l2", fps=50.0, timeout_s=0.5, frozen_s=0.5, retry_min_s=0.01, retry_max_s=0.02
)
WANTED_PX = (224, 224)

Opened = Callable[..., AbstractContextManager[Camera]]


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Switch:
    file = tmp_path / "fault"
    words = (sys.executable, "-m", "tests.cameras.isolation.faulty", str(file))
    monkeypatch.setattr(process, "COMMAND", words)
    return Switch(file)


@pytest.fixture
def camera(switch: Switch) -> Iterator[Camera]:
    with opened() as camera:
        yield camera


@contextmanager
def opened(config: CameraConfig = CONFIG) -> Iterator[Camera]:
    with build.camera(config, WANTED_PX) as camera:
        yield camera
