"""``edged models compare``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from edged.cli.model import configured, tell_suspicions
from edged.cli.progress import followed
from edged.evaluation import comparison, text
from edged.evaluation.dataset import open_dataset
from edged.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """0 and a blessing beside NEW only if every gate holds; else 1, and nothing is written.

    Without a gate both are only shown; 1 if a picture is unreadable.
    """
    new = configured(arguments, arguments.new)
    old = configured(arguments, arguments.old, arguments.old_overrides)
    data = open_dataset(arguments.data)
    found = comparison.compare(new, old, data, arguments.gate, partial(followed, what="compare"))
    tell_suspicions(found.new, found.old)
    written = None
    if found.blessed:
        written = comparison.bless(Path(new.model.path), arguments.gate, found)
    if arguments.json:
        print(found.json().decode())
    else:
        print(text.measures([found.new, found.old], ["NEW", "OLD"]))
        print()
        print(text.unreadable(found.new.inspection.unreadable))
        print()
        if arguments.gate:
            print(text.checks(found.results))
            print()
            print(f"Blessed: {printable(written)}" if written else "Not blessed.")
        else:
            print("Without --gate nothing is judged or blessed.")
    if arguments.gate is None:
        return 1 if found.new.inspection.unreadable.count else 0
    return 0 if found.blessed else 1
