"""Distinguishes a model's name from a file, in a configuration and on a command line."""

from __future__ import annotations

import os.path
from pathlib import Path

SUFFIX = ".tflite"
ENCRYPTED = ".age"


def is_name(text: str, folder: Path = Path()) -> bool:
    """Whether `text` names a model, to look up in the directories of models, rather than a file.

    An existing file is meant as one; relative file names start at `folder`.
    """
    # os.path.isfile() accepts names that no file can have, and folders without permission.
    return (
        "/" not in text
        and not text.endswith((SUFFIX, SUFFIX + ENCRYPTED))
        and not os.path.isfile(folder / text)  # noqa: PTH113
    )


def plain(path: Path) -> Path:
    """`path` as if the model were not encrypted: what belongs to it is named after that."""
    return path.with_suffix("") if path.suffix == ENCRYPTED else path


def model_name(path: Path) -> str:
    """The name of the model at `path`."""
    return plain(path).stem
