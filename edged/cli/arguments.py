"""What several commands take on their command lines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from edged.errors import CommandError

EXIT_STATUSES = """\
exit status:
  0    done
  1    done in part: some files could not be read or written, or a command was refused
  2    the command line is wrong
  65   a model, label file or picture cannot be used
  69   the camera, the daemon or the broker cannot be reached
  78   the configuration is wrong
  130  interrupted
"""


Formatter = argparse.RawDescriptionHelpFormatter
"""Help with its lines as they are written."""


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, does: str
) -> argparse.ArgumentParser:
    """The parser of the command `name`, which `module` of this package carries out."""
    parser = commands.add_parser(name, help=does, formatter_class=Formatter)
    describe(parser, module, does)
    return parser


def describe(parser: argparse.ArgumentParser, module: str, does: str) -> None:
    """Say what a command's `parser` is for, and which `module` of this package carries it out."""
    parser.description = does[0].upper() + does[1:] + "."
    parser.epilog = EXIT_STATUSES
    parser.set_defaults(module=module)


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--set``."""
    parser.add_argument(
        "--config",
        type=Path,
        default=os.environ.get("EDGED_CONFIG") or None,
        metavar="FILE",
        help="configuration ($EDGED_CONFIG, else all defaults)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="override one option, such as camera.fps=10; may be given again",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")


def argument(read: Callable[[str], object]) -> Callable[[str], object]:
    """`read` as argparse wants it, which is to say what is wrong in its own way."""

    def convert(text: str) -> object:
        try:
            return read(text)
        except CommandError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def positive(text: str) -> int:
    """An integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH``."""
    width, _, height = text.lower().partition("x")
    return positive(width), positive(height)
