"""The tree of errors, by what to do about them.

Every message is one line: what is wrong, where, and what to do. A library's error is converted to
one of these where it first occurs, with ``from``; any other exception is a bug.
"""

from __future__ import annotations

from edged.redact import redacted


class EdgedError(Exception):
    """Base of all errors that edged raises on purpose; their messages contain no secrets."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class ConfigError(EdgedError):
    """The configuration is wrong: do not start, and do not restart before it is changed.

    The exit status is ``EX_CONFIG`` of sysexits.h, which the systemd unit does not restart on.
    """

    exit_status = 78


class CameraError(EdgedError):
    """The camera cannot deliver: close it and reopen it, with back-off."""

    exit_status = 69


class ModelError(EdgedError):
    """The model or its labels cannot be used: refuse them and keep the old ones, if any."""

    exit_status = 65


class UnlabelledError(ModelError):
    """The model has no labels: its classes have only numbers."""


class PictureError(EdgedError):
    """A picture cannot be read: report it and continue with the next.

    `where` names it, ``reason`` is the rest of the message, for callers that list it next to the
    name.
    """

    exit_status = 65

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason


class PortError(EdgedError):
    """An output channel fails: log once per change of state, and continue."""

    exit_status = 69


class CommandError(EdgedError):
    """A command from outside cannot be carried out: answer with the reason."""


class UsageError(EdgedError):
    """The words of a command line do not fit each other. The exit status is argparse's."""

    exit_status = 2
