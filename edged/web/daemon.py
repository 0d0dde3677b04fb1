"""Access to the daemon from the web process: over the control socket, in a thread."""

from __future__ import annotations

from typing import Any

from anyio import to_thread

from edged.config.schema import Config
from edged.paths import running_socket
from edged.ports.control.client import TIMEOUT_S, ControlClient

TEACHING_S = 120.0
"""How long the page waits for taught frames, on a slow board with a large model, too."""


class Daemon:
    """Sends commands to the running daemon.

    Its methods are awaited in the event loop and never block it. DaemonError if the daemon cannot
    be reached, RefusedError if it refuses.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    async def ask(self, command: str, /, **fields: object) -> dict[str, Any]:
        """The reply message to `command`, one of `edged.commands`."""
        within_s = TEACHING_S if command in ("teach", "review-teach") else TIMEOUT_S
        reply, _ = await to_thread.run_sync(lambda: self.client(within_s).ask(command, **fields))
        return reply

    async def picture(self, command: str, /, **fields: object) -> bytes:
        """The JPEG that follows the reply to `command`."""
        _, jpeg = await to_thread.run_sync(lambda: self.client().ask(command, **fields))
        return jpeg

    def client(self, within_s: float = TIMEOUT_S) -> ControlClient:
        """A client for one connection; the daemon's socket is looked up each time."""
        return ControlClient(running_socket(self._config), within_s)
