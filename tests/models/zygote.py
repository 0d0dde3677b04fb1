"""Starts quarantine's child many times a second: it has everything imported and forks.

``python -m tests.models.zygote`` takes one JSON `Order` a line and answers each with its exit
status and last words, as `quarantine.judge` takes them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from edged.config.schema import ModelConfig
from edged.models import quarantine
from edged.models.quarantine import Verdict
from edged.models.quarantine_child import Order, examine, import_runtime

SAID_BYTES = 64 << 10


class Zygote:
    """Quarantine for many models, one after the other, each in a process of its own."""

    def __init__(
        self,
        timeout_s: int = 10,
        memory_bytes: int = quarantine.MEMORY_BYTES,
        niceness: int = 0,
    ) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", "tests.models.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        if niceness:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, niceness)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def inspect(self, path: Path, labels: Path | str) -> Verdict:
        model = ModelConfig(path=str(path), labels=str(labels), threads=1)
        order = Order(model, self._memory_bytes, self._timeout_s)
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        status, said = msgspec.json.decode(self._process.stdout.readline(), type=tuple[int, bytes])
        return quarantine.judge(status, said)


def serve() -> None:
    modules = import_runtime("auto")
    for line in sys.stdin.buffer:
        answer = _in_a_fork(msgspec.json.decode(line, type=Order), modules)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def _in_a_fork(order: Order, modules: list[Path]) -> tuple[int, bytes]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _child(order, modules, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read(SAID_BYTES)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return (-signal.SIGXCPU if code == -signal.SIGALRM else code), said[-4096:]


def _child(order: Order, modules: list[Path], writing: int) -> Any:
    code = 1
    try:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        # Ends what sleeps, which takes no processor time.
        signal.alarm(order.cpu_s + 5)
        os.write(1, b"\n" + msgspec.json.encode(examine(order, modules)) + b"\n")
        code = 0
    except BaseException as error:
        os.write(1, f"\n{type(error).__name__}: {error}\n".encode()[:4096])
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
