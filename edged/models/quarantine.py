"""Tries a model in a separate process, so that it cannot harm this one.

A model file is untrusted: the runtimes map it and follow its offsets, and a damaged one can crash
the process, take all memory or never return. This detects it at the cost of starting a child.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import msgspec

from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.inference import modelfile

Outcome: TypeAlias = Literal["ok", "refused", "died", "timed out", "out of memory"]

TIMEOUT_S = 8.0
"""The limit for the whole run, including Python's start; the requester of a reload waits this
long."""

MEMORY_BYTES = 256 << 20
"""Beyond the memory of interpreter and runtime; the largest classifiers need about 100 MB."""

_SAID_BYTES = 64 << 10
_PACKAGE = Path(__file__).parent.parent.parent


class Verdict(msgspec.Struct, frozen=True):
    """The verdict on a model in quarantine.

    ``reason`` is one line, empty for ok. ``ran`` is false if it was only read, because it needs a
    delegate. ``landlock`` says whether the child was limited to the model's files.
    """

    outcome: Outcome
    reason: str = ""
    ran: bool = False
    landlock: bool = False


def inspect(
    path: Path,
    model: ModelConfig,
    *,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
    niceness: int = 0,
) -> Verdict:
    """Load the model at `path` with the options of `model`, and run it once, in a new process.

    The child gets the content of the file as memory: it has no key for a model that is encrypted.
    Blocks for at most `timeout_s`. The child uses one thread instead of ``model.threads``: it
    cannot start processes, and therefore no threads. `niceness` is the child's.
    """
    tried = msgspec.structs.replace(
        model,
        path=str(path.absolute()),
        labels=str(Path(model.labels).absolute()) if model.labels else "",
        threads=1,
    )
    deadline_s = time.monotonic() + timeout_s
    try:
        content = _in_memory(modelfile.content(path))
    except ModelError as error:
        return Verdict("refused", str(error))
    order = {
        "model": tried,
        "content_fd": content.fileno(),
        "memory_bytes": memory_bytes,
        "cpu_s": math.ceil(timeout_s),
    }
    with (
        content,
        subprocess.Popen(
            [sys.executable, "-S", "-B", "-m", "edged.models.quarantine_child"],
            cwd="/",
            env=_environment(),
            pass_fds=[content.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as child,
    ):
        try:
            if niceness:
                os.setpriority(os.PRIO_PROCESS, child.pid, niceness)
            # Python's own JSON: it passes a path that is not UTF-8 unchanged.
            said = _talk(child, json.dumps(msgspec.to_builtins(order)).encode(), deadline_s)
            status = child.wait(max(deadline_s - time.monotonic(), 0.0))
        except (TimeoutError, subprocess.TimeoutExpired):
            return Verdict("timed out", f"it took longer than {timeout_s:g} s")
        finally:
            child.kill()
    return judge(status, said)


def _in_memory(data: bytes) -> BinaryIO:
    """A file that is on no disk."""
    file = os.fdopen(os.memfd_create("model"), "w+b")
    file.write(data)
    file.flush()
    file.seek(0)
    return file


def _environment() -> dict[str, str]:
    """Only the module search path: the child must not see credentials in the environment.

    The folder of this package comes first, wherever it was imported from.
    """
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(_PACKAGE), *filter(None, sys.path)])),
        "PYTHONSAFEPATH": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "1",
    }


def _talk(child: subprocess.Popen[bytes], order: bytes, deadline_s: float) -> bytes:
    """The child's whole output, up to a limit; TimeoutError."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("the child has no pipes")
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(order)
        child.stdin.close()
    said = b""
    waiting = select.poll()
    waiting.register(child.stdout, select.POLLIN)
    while len(said) < _SAID_BYTES:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not waiting.poll(left_s * 1000):
            raise TimeoutError
        piece = os.read(child.stdout.fileno(), _SAID_BYTES)
        if not piece:
            break
        said += piece
    return said


def judge(status: int, said: bytes) -> Verdict:
    """The verdict from a child's exit `status` (negative: a signal) and last output."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(b"INFO")]
    line = lines[-1] if lines else b""
    last = "".join(filter(str.isprintable, line.decode(errors="replace")))[:200]
    if status == 0:
        try:
            return msgspec.json.decode(line, type=Verdict)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Verdict("died", "it ended without a verdict")
    if status == -signal.SIGXCPU:
        return Verdict("timed out", "it used up its processor time")
    if status == -signal.SIGKILL:
        return Verdict("out of memory", "the kernel ended it (SIGKILL)")
    if "bad_alloc" in last or "MemoryError" in last:
        return Verdict("out of memory", "it needs more memory than it may have")
    end = f"exit status {status}" if status > 0 else _signal_name(-status)
    return Verdict("died", f"{end}: {last}" if last else end)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
