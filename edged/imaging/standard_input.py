"""A picture that another program writes to standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging.picture import read_stream

STANDARD_INPUT = Path("-")
"""What stands for it on a command line; a file of this name takes its folder: ``$PWD/-``."""


def standard_input(wanted_px: tuple[int, int]) -> Pixels:
    """All that comes, as `read_picture` reads a file. PictureError, also of a terminal."""
    if sys.stdin.isatty():
        raise PictureError("standard input", "a terminal; pipe a picture into it, or name a file")
    return read_stream(sys.stdin.buffer, "standard input", wanted_px)
