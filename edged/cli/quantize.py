"""``edged models quantize``."""

from __future__ import annotations

import argparse
from pathlib import Path

from edged.evaluation import quantization, text
from edged.evaluation.dataset import open_dataset
from edged.evaluation.quantization import Source


def run(arguments: argparse.Namespace) -> int:
    """Makes the files, then prints the table."""
    source = Source(arguments.source, arguments.labels, arguments.mean, arguments.std)
    out = arguments.out or Path(f"{arguments.source.stem}-tflite")
    calibration = open_dataset(arguments.calibrate) if arguments.calibrate else None
    found = quantization.quantize(
        source, open_dataset(arguments.data).limited(arguments.limit), calibration, out
    )
    if arguments.json:
        print(found.json().decode())
    else:
        print(text.quantization(found))
    return 0
