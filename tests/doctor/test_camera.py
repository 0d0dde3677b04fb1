"""A camera that another program has, that this user may not open, or that needs libcamera."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from edged.config.schema import CameraConfig
from edged.doctor import camera

STATUS: dict[str, Any] = {
    "camera": "/dev/video0 (C920)",
    "camera_error": None,
    "paused": False,
    "idle": False,
    "fps": 30.0,
}
WANTED = CameraConfig(fps=30.0)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, ("camera", "ok")),
        ({"fps": 20.0}, ("frame-rate", "warning")),
        ({"fps": 20.0, "idle": True}, ("camera", "ok")),
        ({"fps": 0.0, "paused": True}, ("camera", "ok")),
        ({"camera_error": "no frame for 5 s"}, ("camera", "error")),
    ],
)
def test_of_a_running_daemons_camera_the_daemon_tells(
    changed: dict[str, Any], found: tuple[str, str]
) -> None:
    [one] = camera.running({**STATUS, **changed}, WANTED)
    assert (one.id, one.level) == found


def test_a_camera_of_the_daemon_that_fails_is_told_with_what_to_do() -> None:
    status = {
        **STATUS,
        "camera_error": "/a.mp4: the video has ended; camera.loop = true repeats it",
    }
    [found] = camera.running(status, WANTED)
    told = ("/a.mp4: the video has ended", "camera.loop = true repeats it")
    assert (found.what, found.advice) == told


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (CameraConfig(kind="video", source="/a.mp4", fps=30.0), "the file has no more frames"),
        (CameraConfig(kind="video", source="rtsp://a/", fps=30.0), "the camera or its light"),
        (CameraConfig(kind="v4l2", source="/dev/video0", fps=30.0), "the camera or its light"),
        (CameraConfig(fps=30.0), "the camera or its light"),
    ],
)
def test_too_few_frames_are_told_with_what_may_limit_them(config: CameraConfig, limit: str) -> None:
    [found] = camera.running({**STATUS, "fps": 5.0}, config)
    assert "5.0 frames a second, 30 wanted" in found.what
    assert limit in found.advice
    assert "`edged doctor --all`" in found.advice


def test_who_holds_a_device_is_told(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    held = tmp_path / "proc" / "7001" / "fd"
    held.mkdir(parents=True)
    (held / "3").symlink_to(device)
    (held.parent / "comm").write_text("motion\n")
    [found] = camera.device(device, tmp_path)
    assert (found.id, found.level) == ("camera-busy", "error")
    assert "motion (process 7001)" in found.what


def test_a_device_of_a_group_that_this_user_is_not_in_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != device)
    [found] = camera.device(device, tmp_path)
    assert (found.id, found.level) == ("camera-permission", "error")
    assert str(device) in found.advice


def test_a_free_device_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert [*camera.device(tmp_path / "video0", tmp_path)] == []
    assert [*camera.device(tmp_path / "video1", tmp_path)] == []


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("unicam-image", "v4l2", ["error"]),
        ("rp1-cfe-csi2_ch0", "demo", ["warning"]),
        ("unicam-image", "directory", []),
        ("HD Pro Webcam C920", "v4l2", []),
    ],
)
def test_a_raspberry_pi_camera_without_libcamera_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: Any, found: list[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _package: None)
    folder = tmp_path / "sys/class/video4linux/video0"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    findings = [*camera.stack(kind, tmp_path)]
    assert [one.level for one in findings] == found
    assert all("picamera2" in one.advice for one in findings)


def test_a_camera_of_our_own_delivers_a_frame(pictures: Path) -> None:
    [found] = camera.own(CameraConfig(kind="directory", source=str(pictures)), "directory")
    assert (found.id, found.level) == ("camera", "ok")


def test_a_camera_that_fails_says_why(tmp_path: Path) -> None:
    [found] = camera.own(CameraConfig(kind="directory", source=str(tmp_path)), "directory")
    assert (found.id, found.level) == ("camera", "error")
    assert str(tmp_path) in found.what


def test_the_demo_in_place_of_a_camera_is_told() -> None:
    [found] = camera.own(CameraConfig(), "demo")
    assert (found.id, found.level) == ("camera-demo", "warning")


@pytest.fixture
def pictures() -> Path:
    return Path(__file__).parent.parent / "pictures"
