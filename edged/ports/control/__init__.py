"""The control socket: how the command line asks the running daemon.

A Unix stream socket that speaks JSON lines. A client sends one request, one of `edged.commands`
as over MQTT (``{"command": "pause", "id": 7}``), and gets one ``reply`` message; one client too
many gets it without having asked. After the reply to ``snapshot`` follow ``jpeg_bytes`` bytes of
JPEG. A client may also ask to follow, ``{"command": "watch"}``: after the reply come the messages
that MQTT has too, one JSON object a line, until the client leaves or the daemon ends. Pictures
that a watcher looks at are in shared memory, whose descriptor comes with the reply's first byte
(`edged.ports.control.shared`).
"""

from __future__ import annotations

import os
from pathlib import Path

from edged.errors import ConfigError

PATH_BYTES = 107
"""The longest path that a socket can have: ``sun_path`` less its end (unix(7))."""


def address(path: Path) -> str:
    """`path` as the socket's address; ConfigError where it is too long for one."""
    if (size := len(os.fsencode(path))) > PATH_BYTES:
        raise ConfigError(
            f"{path}: a socket's path has at most {PATH_BYTES} bytes, this one has {size}; "
            "set control.socket to a shorter one"
        )
    return str(path)
