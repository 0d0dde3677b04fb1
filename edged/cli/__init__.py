"""The command line: `edged COMMAND`; each command is a module, imported when it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from edged.errors import EdgedError

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells say it."""


def program() -> NoReturn:
    """`main` as a whole process."""
    try:
        try:
            status = main()
        finally:
            # argparse ends with SystemExit after the help; what it printed is written here too.
            # Without a standard output there is no such file.
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has left (`edged watch | head`), which is its right. Python writes
        # the rest at its end: not to the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (see ``edged --help``)."""
    # numpy's OpenBLAS starts a thread for each core when it is imported. Nothing here multiplies
    # matrices, and those threads cost more than half of the import's time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from edged.cli.parser import parse

    arguments = parse(sys.argv[1:] if argv is None else argv)
    command = import_module(f"edged.cli.{arguments.module}")
    try:
        status: int = command.run(arguments)
    except EdgedError as error:
        for line in str(error).splitlines():
            print(f"edged: {line}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
