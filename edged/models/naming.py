"""What is a model's name and what a file: the same in a configuration and on a command line."""

from __future__ import annotations

import os.path
from pathlib import Path

SUFFIX = ".tflite"


def is_name(text: str, folder: Path = Path()) -> bool:
    """Whether `text` names a model, which is looked up where such models lie, rather than a file.

    A file that is there is meant as one; relative file names start at `folder`.
    """
    # isfile() of os takes names that no file can have, and folders that may not be looked into.
    return (
        "/" not in text and not text.endswith(SUFFIX) and not os.path.isfile(folder / text)  # noqa: PTH113
    )
