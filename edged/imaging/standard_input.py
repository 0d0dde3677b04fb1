"""A picture that another program writes to standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging.picture import read_stream

STANDARD_INPUT = Path("-")
"""Its name on a command line; a file of this name needs its folder: ``$PWD/-``."""


def standard_input(wanted_px: tuple[int, int]) -> Pixels:
    """The picture on standard input, as by `read_picture`. PictureError, also for a terminal."""
    if sys.stdin.isatty():
        raise PictureError("standard input", "a terminal; pipe a picture into it, or name a file")
    return read_stream(sys.stdin.buffer, "standard input", wanted_px)
