"""``edged models quantize``."""

from __future__ import annotations

import argparse
from pathlib import Path

from edged.cli.model import configured, tell_suspicions
from edged.evaluation import quantization, text
from edged.evaluation.dataset import open_dataset
from edged.evaluation.quantization import Source


def run(arguments: argparse.Namespace) -> int:
    """Writes the files, then prints the table."""
    source = Source(arguments.source, configured(arguments, ""))
    out = arguments.out or Path(f"{arguments.source.stem}-tflite")
    calibration = open_dataset(arguments.calibrate) if arguments.calibrate else None
    found = quantization.quantize(
        source, open_dataset(arguments.data).limited(arguments.limit), calibration, out
    )
    tell_suspicions(*(variant.evaluation for variant in found.variants))
    if arguments.json:
        print(found.json().decode())
    else:
        print(text.quantization(found))
    evaluated = found.variants[0].evaluation.inspection
    return 1 if evaluated.unreadable.count or found.unreadable.count else 0
