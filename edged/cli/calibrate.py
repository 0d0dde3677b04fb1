"""``edged models calibrate``."""

from __future__ import annotations

import argparse
from functools import partial

from edged.cli.model import configured
from edged.cli.progress import followed
from edged.evaluation import calibrate, text
from edged.evaluation.dataset import open_dataset


def run(arguments: argparse.Namespace) -> int:
    """Prints what fits, and its lines; 1 if that is a guess, or a picture is unreadable."""
    config = configured(arguments, arguments.model)
    dataset = open_dataset(arguments.data, labelled=False)
    found = calibrate.calibrate(config, dataset, partial(followed, what="calibrate"))
    print(found.json().decode() if arguments.json else text.calibration(found))
    return 1 if found.guessing or found.unreadable.count else 0
