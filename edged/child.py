"""Processes of edged's own: spawned with a socket as their standard input, and how they end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping

_SET_PARENT_DEATH_SIGNAL = 1

DEAF_TO = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGABRT, signal.SIGUSR1, signal.SIGUSR2),
)
"""What a service manager or a terminal sends to all processes of a service. A child ends when the
daemon has ended, which the end of its socket says, and not before."""


def spawn(
    command: tuple[str, ...],
    connection: socket.socket,
    environment: Mapping[str, str],
    errors_fd: int | None = None,
) -> int:
    """The process ID of `command`, in a session of its own, deaf to `DEAF_TO`. OSError.

    `connection` becomes its standard input, `errors_fd` its standard error; it inherits no other
    descriptor.
    """
    files: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_DUP2, connection.fileno(), 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    ]
    if errors_fd is not None:
        files.append((os.POSIX_SPAWN_DUP2, errors_fd, 2))
    return os.posix_spawn(
        command[0], command, environment, file_actions=files, setsid=True, setsigmask=DEAF_TO
    )


def how_ended(pid: int) -> str:
    """The signal or exit status that ended a child; waits for its end."""
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return "nobody knows how"
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def end_with(parent_id: int) -> None:
    """Let this process be killed when the thread that started it ends, if it is not gone already.

    The second net: the first is the end of the socket, which a process that hangs does not see.
    """
    # The daemon has no use for it.
    import ctypes

    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_id:
        os._exit(0)


def public_environment() -> dict[str, str]:
    """The environment without edged's own options and credentials."""
    # Of the daemon alone.
    from edged.config.overrides import NOT_OPTIONS, PREFIX

    return {
        name: value
        for name, value in os.environ.items()
        if name in NOT_OPTIONS
        or not (name.upper().startswith(PREFIX) or name == "CREDENTIALS_DIRECTORY")
    }
