"""What holds for the sources of every kind of camera."""

from __future__ import annotations

import os

import pytest

from edged.cameras.directory import DirectorySource
from edged.cameras.source import Source
from edged.cameras.v4l2 import V4l2Source
from edged.cameras.video import VideoSource
from edged.config.schema import CameraConfig


@pytest.mark.parametrize("make", [DirectorySource, V4l2Source, VideoSource])
def test_a_name_has_nothing_that_a_terminal_or_utf8_would_trip_over(
    make: type[DirectorySource | V4l2Source | VideoSource],
) -> None:
    source: Source = make(CameraConfig(source=os.fsdecode(b"/mnt/caf\xe9\x1b[31m\n")))

    assert source.name == r"/mnt/caf\xe9\x1b[31m\n"
