"""A mosquitto of our own on the loopback, and a listener in a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LIMIT_S = 20.0
_PROBE = "probe"


def free_port() -> int:
    """A TCP port that nothing listens on at present."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Runs a broker; its port. RuntimeError where mosquitto is not installed."""
    command = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if command is None:
        raise RuntimeError("mosquitto is not installed: apt-get install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"
    )
    process = subprocess.Popen(
        [command, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        give_up_s = time.monotonic() + LIMIT_S
        while not _listens(port):
            if time.monotonic() > give_up_s:
                raise RuntimeError("mosquitto does not answer")
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Listener:
    """mosquitto_sub on a topic: when each message came, by the system's monotonic clock.

    The usual subscriber, in C: what is measured is edged and the broker, not a client.
    """

    def __init__(self, port: int, topic: str) -> None:
        self._heard = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        self._process = subprocess.Popen(
            [*_client("mosquitto_sub", port, topic), "-F", "%U %p"], stdout=self._heard
        )
        # It does not say when the broker has subscribed it.
        give_up_s = time.monotonic() + LIMIT_S
        while not os.fstat(self._heard.fileno()).st_size:
            if time.monotonic() > give_up_s:
                raise RuntimeError("mosquitto_sub hears nothing")
            subprocess.run([*_client("mosquitto_pub", port, topic), "-m", _PROBE], check=True)
            time.sleep(0.02)

    def stop(self) -> list[tuple[float, bytes]]:
        """Every message: when, in seconds, and what."""
        offset_s = time.time() - time.monotonic()
        self._process.terminate()
        self._process.wait(LIMIT_S)
        with self._heard as heard:
            heard.seek(0)
            messages = [line.rstrip(b"\n").split(b" ", 1) for line in heard]
        return [
            (float(at_s) - offset_s, payload)
            for at_s, payload in messages
            if payload != _PROBE.encode()
        ]


def _client(name: str, port: int, topic: str) -> list[str]:
    command = shutil.which(name)
    if command is None:
        raise RuntimeError(f"{name} is not installed: apt-get install mosquitto-clients")
    return [command, "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-q", "1"]
