"""The command line: `edged COMMAND`; each command is a module, imported when it is used."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from edged.errors import EdgedError
from edged.lean_import import lean

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells say it."""


def program() -> NoReturn:
    """`main` as a whole process, which ends at once.

    Everything is closed by then. To take Python apart as well, module by module, would cost a
    short command a seventh of its time.
    """
    try:
        try:
            status = main()
        except SystemExit as told:
            # argparse has printed the help that was asked for, or what is wrong.
            status = told.code if isinstance(told.code, int) else 0
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has left (`edged watch | head`), which is its right.
        status = 0
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (see ``edged --help``)."""
    # numpy's OpenBLAS starts a thread for each core when it is imported. Nothing here multiplies
    # matrices, and those threads cost more than half of the import's time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if argv is None else argv
    with lean():
        from edged.cli.parser import make_parser

        arguments = make_parser(only=words[0] if words else None).parse_args(words)
        # Imports make many objects and no garbage: looking for it costs some milliseconds.
        gc.disable()
        command = import_module(f"edged.cli.{arguments.module}")
    gc.enable()
    try:
        status: int = command.run(arguments)
    except EdgedError as error:
        for line in str(error).splitlines():
            print(f"edged: {line}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
