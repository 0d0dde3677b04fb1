"""The log on standard error: for a person, for the journal, or for a machine."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TextIO

from edged.printable import printable
from edged.redact import redacted

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
"""Python's levels as syslog priorities, which the journal reads from a ``<N>`` prefix
(sd-daemon(3))."""


class TextFormat(logging.Formatter):
    """``12:00:00 warning edged.cameras: message``, the level only where it matters."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{clock} {level}{_message(self, record)}"


class JournalFormat(logging.Formatter):
    """One line with the syslog priority in front; the journal adds time and unit."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 3 if record.levelno > logging.ERROR else 6)
        lines = _message(self, record).splitlines() or [""]
        return "\n".join(f"<{priority}>{line}" for line in lines)


class JsonFormat(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": round(record.created, 3),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": _message(self, record),
            },
            ensure_ascii=False,
        )


class CommandFormat(logging.Formatter):
    """``edged: message``, the form of a command's errors."""

    def format(self, record: logging.LogRecord) -> str:
        return f"edged: {_message(self, record)}"


FORMATS: dict[str, type[logging.Formatter]] = {
    "text": TextFormat,
    "journal": JournalFormat,
    "json": JsonFormat,
    "command": CommandFormat,
}

LINES = 20
"""The most lines a minute from one place in the code."""

UNLIMITED = ("edged.ports.log", "edged.daemon", "edged.reload")
"""Their lines are events, which a rule limits, and the outcome of a reload by signal, which nothing
else tells."""


class Limit(logging.Filter):
    """Lets each place in the code log `LINES` lines a minute, and counts the others.

    Whoever sends nonsense to edged must not fill its disk.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # Since when, and how many: one entry for each line of code that logs.
        self._places: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; its message says where others were or will be left out."""
        if record.name in UNLIMITED:
            return True
        place, now_s = (record.pathname, record.lineno), self._clock()
        since_s, lines = self._places.get(place, (now_s, 0))
        more = ""
        if now_s >= since_s + 60.0:
            if lines > LINES:
                more = f" (before this, {lines - LINES} lines like it were left out)"
            since_s, lines = now_s, 0
        lines += 1
        self._places[place] = since_s, lines
        if lines == LINES:
            more = " (more lines like this are left out for a minute)"
        if more:
            record.msg, record.args = record.getMessage() + more, ()
        return lines <= LINES


def start(level: str, style: str, stream: TextIO | None = None, *, limited: bool = False) -> None:
    """Send all log records to `stream` (standard error) in the given style and from this level.

    `limited` is for a process that runs for long: see `Limit`.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATS[style]())
    if limited:
        handler.addFilter(Limit())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def for_machines() -> bool:
    """Whether the log goes to the journal or is JSON, in which a plain line has no priority."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    return any(isinstance(formatter, JournalFormat | JsonFormat) for formatter in formatters)


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + formatter.formatException(record.exc_info)
    # Names of files and words of devices come from outside.
    return "\n".join(redacted(printable(line)) for line in message.split("\n"))


def style(configured: str) -> str:
    """The style for ``auto``: the live line on a terminal, the journal's format under systemd."""
    if configured == "live" and find_spec("rich") is None:
        return "text"
    if configured != "auto":
        return configured
    if sys.stderr.isatty():
        return "live" if find_spec("rich") else "text"
    return "journal" if os.environ.get("JOURNAL_STREAM") else "text"
