"""`edged web` and `edged action` as processes of their own, at a free port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edged.config.schema import Config

EDGED = str(Path(sys.executable).with_name("edged"))
LIMIT_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Serving:
    """A process that listens: ``address`` is where, ``log`` what it wrote to both streams."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.process = process
        self._folder = folder

    def log(self, stream: str) -> str:
        return (self._folder / stream).read_text()

    def memory_mb(self) -> float:
        """Resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1.024e-3
        raise AssertionError("no VmRSS")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), LIMIT_S)


@contextmanager
def serving(folder: Path, *arguments: str, port: int = 0) -> Iterator[Serving]:
    """``edged`` with `arguments`, until the context is left."""
    port = port or free_port()
    place = f"--port={port}" if arguments[0] == "action" else f"--set=web.port={port}"
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen([EDGED, *arguments, place], stdout=out, stderr=err, cwd=folder)
    made = Serving(port, process, folder)
    try:
        give_up_s = time.monotonic() + LIMIT_S
        while True:
            try:
                made.connect().close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, made.log("stderr")
                assert time.monotonic() < give_up_s
                time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def model_options(config: Config) -> list[str]:
    """The model of `config` on a command line."""
    return [
        f"--set=model.path={config.model.path}",
        f"--set=model.labels={config.model.labels}",
    ]
