"""The kinds of cameras and the forms of their sources: the one place that names them."""

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

    ``forms`` are those that ``camera.source`` may have, and ``needs`` says what it must be; if that
    is empty, the source may be empty too. ``is_file``: it is a file or a folder, unless it is an
    address; ``is_timed``: the device delivers ``camera.fps`` frames a second;
    ``is_stamped_on_arrival``: the time of a live frame is that of its arrival, over a network or
    through a pipeline; ``is_isolated``: it runs in a process of its own. ``library`` is the driver
    or decoder that it imports when it is opened.
    """

    module: str
    source_class: str
    forms: tuple[Form, ...] = ()
    needs: str = ""
    is_file: bool = False
    is_timed: bool = False
    is_stamped_on_arrival: bool = False
    is_isolated: bool = False
    library: str = ""


KINDS: Mapping[CameraKind, Kind] = {
    "picamera2": Kind(
        "picamera2",
        "Picamera2Source",
        ("name",),
        is_timed=True,
        is_isolated=True,
        library="picamera2",
    ),
    "v4l2": Kind("v4l2", "V4l2Source", ("device", "name"), is_timed=True, is_isolated=True),
    "video": Kind(
        "video",
        "VideoSource",
        ("address", "pipeline", "name"),
        needs="a file or an address (rtsp://...)",
        is_file=True,
        is_stamped_on_arrival=True,
        is_isolated=True,
        library="av.video.reformatter",
    ),
    "gstreamer": Kind(
        "gstreamer",
        "GStreamerSource",
        ("pipeline", "name", "address"),
        needs="a pipeline that ends in an appsink",
        is_timed=True,
        is_stamped_on_arrival=True,
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


def is_address(source: str) -> bool:
    """Whether `source` names something in the network and no file."""
    return "://" in source and not source.startswith("file:")


def path_of(source: str) -> Path:
    """The file that `source` names, where that is no address."""
    return Path(source.removeprefix("file:")).expanduser()


def kind_of(source: str, start: Path) -> CameraKind | None:
    """The kind of camera that `source` means; None if it is unclear.

    Relative file names start at `start`; a file that is absent is judged by its name.
    """
    from edged.imaging.folder import is_picture

    form = form_of(source)
    # os.path.isdir() accepts names that no file can have, and folders without permission.
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
