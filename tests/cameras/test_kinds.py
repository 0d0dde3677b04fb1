"""Which kind of camera a source means."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from edged.cameras.kinds import KINDS, OF_FORM, CameraKind, form_of, kind_of
from edged.config.schema import CameraConfig


def test_every_kind_has_a_row_and_a_source_that_is_there() -> None:
    assert tuple(KINDS) == get_args(CameraKind)
    for kind in KINDS.values():
        assert hasattr(import_module(f"edged.cameras.{kind.module}"), kind.source_class)


def test_a_kind_takes_the_sources_that_mean_it() -> None:
    for form, kind in OF_FORM.items():
        assert form in KINDS[kind].forms


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("rtsp://user:password@camera:554/stream2", "video"),
        ("http://camera/snapshot.jpg", "video"),
        ("udp://@:5000", "video"),
        ("file:/srv/film.mp4", "video"),
        ("/dev/video0", "v4l2"),
        ("/dev/v4l/by-id/usb-046d_C920-video-index0", "v4l2"),
        ("/dev/front-camera", "v4l2"),
        ("v4l2src device=/dev/video0 ! jpegdec", "gstreamer"),
        ("rtspsrc location=rtsp://camera/ ! rtph264depay ! avdec_h264", "gstreamer"),
        ("pictures", "directory"),
        ("new/", "directory"),
        ("cat.jpg", "directory"),
        ("later.HEIC", "directory"),
        ("later.rec", "recording"),
        ("film", "video"),
        ("http://camera/video ! decodebin", "gstreamer"),
        ("later.mp4", "video"),
        ("Hands ! up.mkv", "video"),
        ("0", None),
        ("imx219", None),
        ("camera.local", None),
        ("x" * 5000, None),
    ],
)
def test_the_kind_follows_from_the_source(source: str, kind: str | None, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("film", "cat.jpg", "Hands ! up.mkv"):
        (tmp_path / name).touch()
    assert kind_of(source, tmp_path) == kind


def test_a_file_is_no_address_whatever_its_name() -> None:
    assert form_of("12:30.mp4") == "name"
    assert form_of("/dev/stdin") == "name"


def test_the_documentation_names_every_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cameras.md").read_text()
    for kind in ("auto", *KINDS):
        assert f"| `{kind}` |" in page
    assert CameraConfig().kind == "auto"
