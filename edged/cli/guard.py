"""``edged guard``: the process that owns the pins, which ``edged run`` starts."""

from __future__ import annotations

import argparse

from edged.guard.guard import main


def run(arguments: argparse.Namespace) -> int:
    """As ``python -m edged.guard``, which needs no command line."""
    del arguments
    return main()
