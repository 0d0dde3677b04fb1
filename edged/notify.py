"""Reports the service's state to systemd, if present, by the protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SEND_LIMIT_S = 1.0
"""How long a message may wait for a busy systemd; the loop must continue."""


START_SLACK_S = 30.0
"""What readiness may take beyond the announced time."""


class Notifier:
    """Messages to the socket ``$NOTIFY_SOCKET``; does nothing if that is not set.

    A message that cannot be sent is logged and lost: systemd reacts by itself to a missing one.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._clock = clock
        self.watchdog_s = _watchdog_s(environment) if self._address else None
        """How often `watchdog` must be called at least; None without a watchdog."""
        self._fed_s: float | None = None
        self._failing = False

    def starting(self, for_s: float) -> None:
        """Not ready yet: the start may take another `for_s`, whatever the unit's limit."""
        self._send(f"EXTEND_TIMEOUT_USEC={int((for_s + START_SLACK_S) * 1e6)}")

    def ready(self) -> None:
        """Started, or reloaded."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock() * 1e6)}")

    def watchdog(self) -> None:
        """Alive. Call it for every frame: it sends only as often as systemd needs."""
        if self.watchdog_s is None:
            return
        now_s = self._clock()
        # A quarter: two lost messages do no harm, and systemd is not woken for each frame.
        if self._fed_s is None or now_s - self._fed_s >= self.watchdog_s / 4.0:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Shutting down."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for people, as ``systemctl status`` shows it."""
        self._send("STATUS=" + " ".join(text.splitlines()))

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_LIMIT_S)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._failing:
                log.warning("systemd cannot be sent %s: %s", message.split("\n")[0], error)
            self._failing = True
        else:
            self._failing = False


def _address(name: str) -> str | None:
    """A path, or with "@" in `name` a name in Linux's abstract namespace (a zero byte in front)."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """``$WATCHDOG_USEC`` in s, if meant for this process; see sd_watchdog_enabled(3)."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else None
