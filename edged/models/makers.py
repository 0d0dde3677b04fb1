"""Hints about a model from the tool that exported it, recognised by its file."""

from __future__ import annotations

import re
from pathlib import Path

from edged.models.naming import plain

_EDGE_IMPULSE = re.compile(r"ei-.+\.t?f?lite", re.IGNORECASE)
_NUMBERED = re.compile(r"(0 .+\n)([1-9][0-9]* .+\n?)*")


def hint(path: Path, input_px: tuple[int, int]) -> str | None:
    """A line on the preprocessing of the export at `path`; None if its maker is unknown."""
    if _EDGE_IMPULSE.fullmatch(plain(path).name):
        return (
            "looks like an export of Edge Impulse, which crops pictures to the middle unless the "
            'project says otherwise: set camera.fit = "crop"'
        )
    if plain(path).name in ("model.tflite", "model_unquant.tflite") and input_px == (224, 224):
        try:
            labels = path.with_name("labels.txt").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        if _NUMBERED.fullmatch(labels):
            return (
                "looks like an export of Teachable Machine, which crops pictures to the middle: "
                'set camera.fit = "crop"'
            )
    return None
