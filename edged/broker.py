"""A small MQTT broker for demonstrations: amqtt, on the loopback, in a process of its own.

It speaks MQTT 3.1.1, accepts every client and stores nothing. It ends with the process that started
it, however that ends: it reads a pipe that only its parent holds open.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec

from edged.errors import ConfigError, PortError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
LOCAL_HOSTS = ("localhost", LOOPBACK)

START_TIMEOUT_S = 20.0
"""The limit for the broker's process to start; Python on a small board takes seconds."""


@contextmanager
def ensure_broker(host: str, port: int) -> Iterator[None]:
    """A broker at `host`:`port` while the context lasts: an existing one, or our own.

    ConfigError if this is impossible: `host` is another machine, or amqtt is not installed.
    PortError if the broker does not start.
    """
    if host not in LOCAL_HOSTS:
        raise ConfigError(f"mqtt.embedded needs mqtt.host = 'localhost', not {host!r}")
    if _listens(port):
        log.info("another program already listens on %s:%d; no broker is started", LOOPBACK, port)
        yield
        return
    if find_spec("amqtt") is None:
        raise ConfigError("mqtt.embedded needs amqtt; install edged with its extra 'demo'")
    # A session of its own: Ctrl+C must reach the broker last, or clients get no last message.
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "edged.broker", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _await(process, port)
            log.info("the demonstration broker listens on %s:%d", LOOPBACK, port)
            yield
        finally:
            process.kill()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > give_up_s:
            raise PortError(f"the embedded broker did not start on {LOOPBACK}:{port}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


async def serve(port: int) -> None:
    """Run the broker until standard input ends."""
    from amqtt.broker import Broker

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1])))
