"""The output of a command: standard output, standard error, and a file that the user names."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from edged.errors import EdgedError
from edged.files import write_atomically
from edged.printable import printable
from edged.redact import redacted


class OutputError(EdgedError):
    """A command's output cannot be written."""


class ReaderLeftError(OutputError):
    """The reader of a pipe has left (`edged watch | head`), which is not an error."""

    exit_status = 0

    def __init__(self) -> None:
        super().__init__("")


def take_streams() -> None:
    """Make standard output and standard error safe to print to.

    Secrets are removed from standard error. A failed write to standard output is an OutputError,
    but a character that its encoding lacks is written as an escape. A failed write to standard
    error is ignored: there is nowhere left to report it, and the work continues.
    """
    # In the order of their numbers: otherwise the next opened file would be a standard stream.
    sys.stdin = sys.stdin or _null("r")
    sys.stdout = _taken(sys.stdout, _Output)
    sys.stderr = _taken(sys.stderr, _Errors)


def flush_output() -> None:
    """Write the buffer of standard output. An OutputError leaves nothing to write at exit."""
    try:
        sys.stdout.flush()
    except OutputError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def write_file(path: Path, data: bytes) -> None:
    """Replace the content of `path` by `data` atomically; write to a device or a pipe directly."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_atomically(path, data)
    except OSError as error:
        advice = "" if path.parent.is_dir() else "; create its folder first"
        raise OutputError(
            f"{printable(path)}: cannot be written: {error.strerror or error}{advice}"
        ) from error


class _Output(io.TextIOWrapper):
    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _unwritten(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _unwritten(error) from error


class _Errors(io.TextIOWrapper):
    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(redacted(text))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _unwritten(error: OSError) -> OutputError:
    if isinstance(error, BrokenPipeError):
        return ReaderLeftError()
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def _taken(stream: Any, kind: type[io.TextIOWrapper]) -> io.TextIOWrapper:
    was = stream or _null("w")
    options = (was.encoding, "backslashreplace", None, was.line_buffering, was.write_through)
    return kind(was.detach(), *options)


def _null(mode: str) -> Any:
    file = Path(os.devnull).open(mode)  # noqa: SIM115 (as long as the process)
    # Also those of started programs.
    os.set_inheritable(file.fileno(), True)
    return file
