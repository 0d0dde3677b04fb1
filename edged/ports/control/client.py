"""The command line's end of the control socket, without heavy imports, so that it starts fast."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from edged import access
from edged.errors import CameraError, CommandError
from edged.ports.control import address

ANSWERED_S = 2.0
"""More than the daemon gives itself for an answer, so that its explanation arrives."""

TIMEOUT_S = 10.0 + ANSWERED_S


class DaemonError(CameraError):
    """The daemon cannot be reached."""


class DaemonAbsentError(DaemonError):
    """No daemon listens on the socket."""


class RefusedError(CommandError):
    """The daemon refuses the command; `reply` is its whole answer."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(reply["error"])
        self.reply = reply


class ControlClient:
    """The client of `edged snapshot`, `status` and `watch`.

    If the socket cannot be used, each method raises DaemonError with what to do, or its subclass
    DaemonAbsentError if no daemon runs; RefusedError if the daemon refuses.
    """

    def __init__(self, path: Path, within_s: float = TIMEOUT_S) -> None:
        """`within_s` is how long an answer may take."""
        self.path = path
        self._within_s = within_s

    def ask(self, command: str, /, **fields: object) -> tuple[dict[str, Any], bytes]:
        """The reply, and the JPEG that follows that to a snapshot."""
        with self._asked(command, fields) as (_, stream, reply, _):
            picture = stream.read(reply["jpeg_bytes"])
            if len(picture) < reply["jpeg_bytes"]:
                raise ConnectionError("it left during the picture")
            return reply, picture

    def watch(self, **wanted: object) -> Iterator[dict[str, Any]]:
        """Each message as it arrives, until the daemon ends, which is a DaemonError.

        `wanted` are the fields of `edged.commands.Watch`.
        """
        with self.following(**wanted) as (messages, _):
            yield from messages

    @contextlib.contextmanager
    def following(self, **wanted: object) -> Iterator[tuple[Iterator[dict[str, Any]], list[int]]]:
        """As `watch`, with the received descriptors, which the caller owns."""
        with self._asked("watch", wanted) as (connection, stream, _, descriptors):
            connection.settimeout(None)
            yield self._followed(stream), descriptors

    @contextlib.contextmanager
    def recording(self, **wanted: object) -> Iterator[tuple[socket.socket, BinaryIO]]:
        """The connection, and what comes over it: a recording, until one of both ends it.

        `wanted` are the fields of `edged.commands.Record`.
        """
        with self._asked("record", wanted) as (connection, stream, _, _):
            connection.settimeout(None)
            yield connection, stream

    def _followed(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        while (line := stream.readline()).endswith(b"\n"):
            yield json.loads(line)
        raise DaemonError(f"{self.path}: the daemon has stopped")

    @contextlib.contextmanager
    def _asked(
        self, command: str, fields: dict[str, object]
    ) -> Iterator[tuple[socket.socket, BinaryIO, dict[str, Any], list[int]]]:
        request = json.dumps({"command": command, **fields}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._within_s)
                connection.connect(address(self.path))
                # A client that is refused before its request still gets the reason.
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(request)
                # Descriptors come with the first byte.
                first, descriptors, _, _ = socket.recv_fds(
                    connection, 1, 1, socket.MSG_CMSG_CLOEXEC
                )
                with connection.makefile("rb") as stream:
                    reply = _accepted(first + stream.readline() if first else b"")
                    yield connection, stream, reply, descriptors
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise DaemonAbsentError(
                f"{self.path}: no daemon answers here; start it with `edged run` or "
                "`sudo systemctl start edged`, or name its configuration with --config"
            ) from error
        except PermissionError as error:
            advice = access.advice(self.path, os.W_OK)
            raise DaemonError(f"{self.path}: not permitted; {advice}") from error
        except OSError as error:
            raise DaemonError(
                f"{self.path}: the daemon does not answer: {error.strerror or error}; "
                "look at its log and at control.socket"
            ) from error


def _accepted(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ConnectionError("it closed the connection")
    reply: dict[str, Any] = json.loads(line)
    if not reply["ok"]:
        raise RefusedError(reply)
    return reply
