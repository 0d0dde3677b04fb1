"""The command line's end of the control socket; imports nothing heavy, so it answers at once."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edged.errors import CommandError

TIMEOUT_S = 12.0
"""Longer than the daemon waits for its own loop, so that its explanation arrives."""


class ControlClient:
    """What `edged snapshot`, `status` and `watch` use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, command: str, **fields: object) -> tuple[dict[str, Any], bytes]:
        """The reply, and the JPEG that follows that to a snapshot.

        FileNotFoundError or ConnectionRefusedError where no daemon runs, CommandError where it
        refuses.
        """
        with self._request(command, fields) as reader:
            reply = _accepted(reader.readline())
            return reply, reader.read(reply["jpeg_bytes"])

    def watch(self) -> Iterator[dict[str, Any]]:
        """Each message as it comes, until the daemon stops."""
        with self._request("watch", {}, timeout_s=None) as reader:
            _accepted(reader.readline())
            for line in reader:
                yield json.loads(line)

    @contextlib.contextmanager
    def _request(
        self,
        command: str,
        fields: dict[str, object],
        timeout_s: float | None = TIMEOUT_S,
    ) -> Iterator[Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(self.path))
            request = {"command": command, **fields}
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as reader:
                yield reader


def _accepted(line: bytes) -> dict[str, Any]:
    if not line:
        raise CommandError("the daemon closed the connection without an answer")
    reply: dict[str, Any] = json.loads(line)
    if not reply["ok"]:
        raise CommandError(reply["error"])
    return reply
