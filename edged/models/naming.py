"""Distinguishes a model's name from a file, in a configuration and on a command line."""

from __future__ import annotations

import os.path
from pathlib import Path

SUFFIX = ".tflite"


def is_name(text: str, folder: Path = Path()) -> bool:
    """Whether `text` names a model, to look up in the directories of models, rather than a file.

    An existing file is meant as one; relative file names start at `folder`.
    """
    # os.path.isfile() accepts names that no file can have, and folders without permission.
    return (
        "/" not in text and not text.endswith(SUFFIX) and not os.path.isfile(folder / text)  # noqa: PTH113
    )
