"""The command line: `edged COMMAND`; each command is a module, imported when it is used."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from edged.cli.output import OutputError, flush_output, take_streams
from edged.errors import ConfigError, EdgedError
from edged.printable import printable

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as in shells."""


def program() -> NoReturn:
    """`main` as a whole process."""
    # What a start imports stays, so that there is no garbage in it, and each look for some takes
    # milliseconds. `main` enables it again.
    gc.disable()
    take_streams()
    status: int | str | None
    try:
        status = main()
    except SystemExit as ended:
        # argparse exits like this after the help; its output is written here too.
        status = ended.code
    try:
        flush_output()
    except OutputError as error:
        status = status or _told(error, str(error))
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (see ``edged --help``)."""
    # numpy's OpenBLAS starts a thread for each core when it is imported. edged multiplies no
    # matrices, and those threads take more than half of the import's time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from edged.cli.arguments import by_option
    from edged.cli.parser import parse

    reword: Callable[[str], str] = str
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        reword = partial(by_option, arguments)
        _check_folder()
        command = import_module(f"edged.cli.{arguments.module}")
        gc.enable()
        status: int = command.run(arguments)
    except EdgedError as error:
        return _told(error, reword(str(error)))
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(f"the working directory: {error.strerror}; change to another") from error


def _told(error: EdgedError, text: str) -> int:
    for line in text.splitlines():
        print(f"edged: {printable(line)}", file=sys.stderr)
    return error.exit_status
