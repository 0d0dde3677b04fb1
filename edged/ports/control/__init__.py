"""The control socket: the command line's connection to the running daemon.

A Unix stream socket that speaks JSON lines. A client sends one request, one of `edged.commands` as
over MQTT (``{"command": "pause", "id": 7}``), and gets one ``reply`` message; a client beyond the
limit gets an error reply without a request. ``jpeg_bytes`` bytes of JPEG follow the reply to
``snapshot``. A client may also follow the daemon with ``{"command": "watch"}``: the reply is
followed by the same messages as over MQTT, one JSON object per line, until the client leaves or the
daemon ends. Pictures for a watcher are in shared memory, whose descriptor comes with the reply's
first byte (`edged.ports.control.shared`).
"""

from __future__ import annotations

import os
from pathlib import Path

from edged.errors import ConfigError

PATH_BYTES = 107
"""The longest path of a socket: ``sun_path`` without its terminator (unix(7))."""


def address(path: Path) -> str:
    """`path` as the socket's address; ConfigError if it is too long."""
    if (size := len(os.fsencode(path))) > PATH_BYTES:
        raise ConfigError(
            f"{path}: a socket's path has at most {PATH_BYTES} bytes, this one has {size}; "
            "set control.socket to a shorter one"
        )
    return str(path)
