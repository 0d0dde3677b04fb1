"""A network with faults, between a client and a broker: TLS outside, plain TCP to the broker.

It runs in a thread of its own. ``fault`` is what it does to connections, ``context`` what it
presents to clients, ``port`` where they reach it, ``target`` the broker's port.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Literal

Fault = Literal["none", "slow", "half-open", "rubbish", "torn", "not TLS"]

PIECE_BYTES = 4096

SLOW_BYTES, SLOW_S = 512, 0.1
"""A slow network carries so many bytes at a time, and then waits."""

RUBBISH = bytes(range(256)) * 4


def presenting(certificates: Path, name: str) -> ssl.SSLContext:
    """A server with one of the certificates of `tests.pki`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    return context


def too_old(certificates: Path) -> ssl.SSLContext:
    """A server that knows only TLS 1.1."""
    context = presenting(certificates, "server")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


class FaultProxy:
    """Entered, it listens; `refuse` and `listen` change that, `cut` ends every connection."""

    def __init__(self, port: int, target: int, context: ssl.SSLContext) -> None:
        self.port, self.target, self.context = port, target, context
        self.fault: Fault = "none"
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")
        self._server: asyncio.Server | None = None
        self._warnings = warnings.catch_warnings()
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> FaultProxy:
        # asyncio leaves the transports of handshakes that fail to the garbage collector.
        self._warnings.__enter__()
        warnings.simplefilter("ignore", ResourceWarning)
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *exception: object) -> None:
        self.refuse()
        self.cut()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        gc.collect()
        self._warnings.__exit__()

    def listen(self) -> None:
        """From now on clients are let in, and shown the present ``context``."""
        self.refuse()
        self._call(self._listen())

    def refuse(self) -> None:
        """From now on nothing listens; what is connected stays."""
        self._call(self._refuse())

    def cut(self) -> None:
        """End every connection."""
        self._call(self._cut())

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30.0)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        # Without TLS the handshake gets an answer that is none.
        context = None if self.fault == "not TLS" else self.context
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=context, reuse_address=True
        )

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        # A client that is cut off is no error here.
        with suppress(OSError, asyncio.CancelledError):
            if self.fault == "not TLS":
                await reader.read(PIECE_BYTES)
                writer.write(RUBBISH)
                await writer.drain()
            else:
                await self._join(reader, writer)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers.add(to_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, to_writer)),
            asyncio.ensure_future(self._pump(to_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(to_writer)
            to_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            while self.fault == "half-open":
                # Nobody reads, and nobody says so.
                await asyncio.sleep(0.05)
            slow = self.fault == "slow"
            if not (piece := await reader.read(SLOW_BYTES if slow else PIECE_BYTES)):
                return
            if slow:
                await asyncio.sleep(SLOW_S)
            elif self.fault == "rubbish":
                piece = RUBBISH
            elif self.fault == "torn":
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                return
            writer.write(piece)
            await writer.drain()
