"""Clients of an HTTP server that ask one thing over and over, in a process of their own.

Arguments: port, file of a whole request, clients, seconds. Prints as JSON the durations, how long
all took, and the processor time of that.
"""

import asyncio
import json
import sys
import time
from pathlib import Path


async def client(port: int, request: bytes, end_s: float, durations_s: list[float]) -> None:
    """Asks until the end; connects anew where the server closes."""
    connection = None
    while (began_s := time.perf_counter()) < end_s:
        if connection is None:
            connection = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = connection
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = head.partition(b" ")[2][:3]
        if status != b"200":
            raise RuntimeError(f"answered with {status.decode()}")
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        durations_s.append(time.perf_counter() - began_s)
        if head.startswith(b"http/1.0") or b"connection: close" in head:
            writer.close()
            connection = None
    if connection is not None:
        connection[1].close()


async def main(port: str, request: str, clients: str, seconds: str) -> None:
    durations_s: list[float] = []
    began_s, used_s = time.perf_counter(), time.process_time()
    end_s = began_s + float(seconds)
    content = Path(request).read_bytes()
    await asyncio.gather(
        *(client(int(port), content, end_s, durations_s) for _ in range(int(clients)))
    )
    took_s = time.perf_counter() - began_s
    cpu_s = time.process_time() - used_s
    print(json.dumps({"durations_s": durations_s, "took_s": took_s, "cpu_s": cpu_s}))


asyncio.run(main(*sys.argv[1:]))
