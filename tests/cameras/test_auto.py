"""Which camera is taken where none is configured."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from edged.cameras import v4l2
from edged.cameras.auto import detect
from tests.cameras import fake_picamera2
from tests.cameras.fake_v4l2 import METADATA, FakeKernel

USB = {"YUYV": {(640, 480): 30.0}}


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeKernel, None, None]:
    monkeypatch.setattr(v4l2, "DEV", tmp_path)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(importlib.util, "find_spec", sys.modules.get)
    kernel = FakeKernel(tmp_path, monkeypatch)
    yield kernel
    kernel.close()


def test_a_raspberry_pi_camera_comes_first(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_picamera2.install(monkeypatch)
    kernel.plug(0, USB)
    assert detect() == "picamera2"


def test_without_one_connected_a_usb_camera_is_next(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fake_picamera2.install(monkeypatch).connected.clear()
    camera = kernel.plug(0, USB)
    assert detect() == "v4l2"
    assert str(camera.path) in caplog.text


def test_without_picamera2_a_usb_camera_is_found(kernel: FakeKernel) -> None:
    kernel.plug(0, USB, capabilities=METADATA)
    kernel.plug(1, USB)
    assert detect() == "v4l2"


def test_without_any_camera_there_is_the_demo_and_it_says_so(
    kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    assert detect() == "demo"
    assert "showing the demo" in caplog.text
