"""``python -m edged`` is ``edged``."""

from edged.cli import program

program()
