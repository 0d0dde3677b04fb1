"""``edged completion``."""

from __future__ import annotations

import argparse

from edged.cli.parser import make_parser
from edged.errors import ConfigError


def run(arguments: argparse.Namespace) -> int:
    """The script for the shell, made from the command line's own grammar."""
    try:
        import shtab
    except ImportError as error:
        raise ConfigError(
            "completion scripts need shtab, which is not installed; "
            "install edged with its `completion` extra"
        ) from error
    print(shtab.complete(make_parser(), arguments.shell))
    return 0
