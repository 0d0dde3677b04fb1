"""What the command line makes of the daemon's answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

REFUSAL = {"type": "reply", "ok": False, "error": "paused already"}


class Ended(NamedTuple):
    status: int
    out: str
    said: str


def pause(folder: Path, answer: bytes, output: int = subprocess.PIPE, **environment: str) -> Ended:
    """`edged pause --json`, to which a daemon says `answer` and closes the connection."""
    path = folder / "edged.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with subprocess.Popen(
            [sys.executable, "-m", "edged", "pause", "--json", "--set", f"control.socket={path}"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        ) as asking:
            listener.settimeout(60)
            with listener.accept()[0] as client:
                client.sendall(answer)
            out, said = asking.communicate(timeout=60)
            return Ended(asking.returncode, out or "", said)


def test_a_command_that_got_no_answer_has_failed(tmp_path: Path) -> None:
    ended = pause(tmp_path, b"")
    assert (ended.status, ended.out) == (69, "")
    assert ended.said.startswith(f"edged: {tmp_path}/edged.sock: the daemon does not answer: ")
    assert ended.said.count("\n") == 1


def test_a_refusal_is_a_document_too(tmp_path: Path) -> None:
    ended = pause(tmp_path, json.dumps(REFUSAL).encode() + b"\n")
    assert (ended.status, ended.said) == (1, "edged: paused already\n")
    assert json.loads(ended.out) == REFUSAL


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_refusal_that_nobody_reads_is_one(unbuffered: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    refusal = json.dumps(REFUSAL).encode() + b"\n"
    ended = pause(tmp_path, refusal, writer, PYTHONUNBUFFERED=unbuffered)
    os.close(writer)
    assert ended == (1, "", "edged: paused already\n")
