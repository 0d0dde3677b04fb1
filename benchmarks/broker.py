"""A mosquitto of our own on the loopback, and a listener in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LIMIT_S = 20.0


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
    """Notes when each message of a topic came, by the system's monotonic clock."""

    def __init__(self, port: int, topic: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.broker", str(port), topic],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> list[tuple[float, bytes]]:
        """Every message: when, in seconds, and what."""
        output, _ = self._process.communicate("stop\n", timeout=LIMIT_S)
        return [(at_s, payload.encode()) for at_s, payload in json.loads(output)]


def _listen(port: int, topic: str) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    heard: list[tuple[float, str]] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.append(
        (time.monotonic(), message.payload.decode())
    )
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(topic, 1)
    client.loop_start()
    sys.stdin.readline()
    client.loop_stop()
    print(json.dumps(heard))


if __name__ == "__main__":
    _listen(int(sys.argv[1]), sys.argv[2])
