"""``edged models compare``."""

from __future__ import annotations

import argparse
from functools import partial

from edged.cli.progress import followed
from edged.config.schema import ModelConfig
from edged.evaluation import comparison, text
from edged.evaluation.dataset import open_dataset
from edged.models import library
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """0 and a blessing beside NEW only if every gate holds; else 1, and nothing is written."""
    paths = [library.resolve(model) for model in (arguments.new, arguments.old)]
    new, old = (
        ModelConfig(path=str(path), labels=arguments.labels, runtime=arguments.runtime)
        for path in paths
    )
    data = open_dataset(arguments.data)
    found = comparison.compare(new, old, data, arguments.gate, partial(followed, what="compare"))
    written = None
    if found.blessed:
        written = comparison.bless(paths[0], arguments.gate, found)
    if arguments.json:
        print(found.json().decode())
    else:
        print(text.footprints([found.new, found.old], ["NEW", "OLD"]))
        print()
        print(text.checks(found.results))
        print()
        print(f"Blessed: {printable(written)}" if written else "Not blessed.")
    return 0 if found.blessed else 1
