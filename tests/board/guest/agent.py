#!/usr/bin/python3
"""Runs the commands that come through the virtual serial port, one JSON object a line."""

import json
import subprocess
import time
from pathlib import Path

PORT = Path("/dev/virtio-ports/board")

with PORT.open("r+b", buffering=0) as port:
    pending = b""
    while True:
        if not (received := port.read(65536)):
            time.sleep(0.1)  # nobody is at the other end
            continue
        *lines, pending = (pending + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                done = subprocess.run(
                    ["bash", "-c", request["command"]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=request["limit_s"],
                )
                answer = {"status": done.returncode, "output": done.stdout.decode(errors="replace")}
            except subprocess.TimeoutExpired as late:
                said = (late.output or b"").decode(errors="replace")
                answer = {"status": 124, "output": f"{said}\nno end within {late.timeout} s"}
            reply = memoryview(json.dumps(answer).encode() + b"\n")
            while reply:
                reply = reply[port.write(reply) :]
