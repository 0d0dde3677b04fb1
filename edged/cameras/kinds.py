"""The kinds of cameras, and what their sources look like: the one place that names them."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

CameraKind: TypeAlias = Literal[
    "picamera2", "v4l2", "video", "gstreamer", "directory", "recording", "demo"
]

Form: TypeAlias = Literal["address", "device", "pipeline", "name"]
"""What the text of a source looks like; a name is that of a file, a folder or a camera."""


class Kind(NamedTuple):
    """``module`` of this package has the ``source_class``.

    ``forms`` are those that ``camera.source`` may have, and ``needs`` says what it must be; where
    that is empty, the source may be empty too. ``is_file`` where it is a file or a folder, unless
    it is an address; ``is_timed`` where the device delivers ``camera.fps`` frames a second.
    """

    module: str
    source_class: str
    forms: tuple[Form, ...] = ()
    needs: str = ""
    is_file: bool = False
    is_timed: bool = False


KINDS: Mapping[CameraKind, Kind] = {
    "picamera2": Kind("picamera2", "Picamera2Source", ("name",), is_timed=True),
    "v4l2": Kind("v4l2", "V4l2Source", ("device", "name"), is_timed=True),
    "video": Kind(
        "video",
        "VideoSource",
        ("address", "pipeline", "name"),
        needs="a file or an address (rtsp://...)",
        is_file=True,
    ),
    "gstreamer": Kind(
        "gstreamer",
        "GStreamerSource",
        ("pipeline", "name", "address"),
        needs="a pipeline that ends in an appsink",
        is_timed=True,
    ),
    "directory": Kind(
        "directory",
        "DirectorySource",
        ("pipeline", "name"),
        needs="a folder of pictures",
        is_file=True,
    ),
    "recording": Kind(
        "recording",
        "RecordingSource",
        ("pipeline", "name"),
        needs="a recording of `edged record --frames`",
        is_file=True,
    ),
    "demo": Kind("demo", "DemoSource"),
}

OF_FORM: Mapping[Form, CameraKind] = {
    "address": "video",
    "device": "v4l2",
    "pipeline": "gstreamer",
}

RECORDING_SUFFIX = ".rec"
VIDEO_SUFFIXES = (".avi", ".h264", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")


def form_of(source: str) -> Form:
    """The form of `source`; a file's name may look like a pipeline."""
    if " ! " in source:
        return "pipeline"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", source):
        return "address"
    return "device" if re.match(r"/dev/(video\d|v4l/)", source) else "name"


def kind_of(source: str, start: Path) -> CameraKind | None:
    """The kind of camera that `source` means; None where it cannot be told.

    Relative file names start at `start`; a file that is absent is judged by its name.
    """
    from edged.imaging.folder import is_picture

    form = form_of(source)
    # isdir() of os takes names that no file can have, and folders that may not be looked into.
    path = str(start / os.path.expanduser(source))  # noqa: PTH111
    if form in ("address", "device"):
        return OF_FORM[form]
    if os.path.isdir(path) or source.endswith("/"):  # noqa: PTH112
        return "directory"
    if source.startswith("/dev/"):
        return "v4l2"
    if form == "pipeline" and not os.path.isfile(path):  # noqa: PTH113
        return "gstreamer"
    if is_picture(os.path.basename(path)):  # noqa: PTH119
        return "directory"
    if path.lower().endswith(RECORDING_SUFFIX):
        return "recording"
    is_video = os.path.isfile(path) or path.lower().endswith(VIDEO_SUFFIXES)  # noqa: PTH113
    return "video" if is_video else None
