"""A resource of an API: a coroutine for each method, and the protocol's form of errors."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edged.errors import EdgedError, PictureError
from edged.messages.message import encoded

BODY_BYTES = 16 << 20
"""The longest body of a request, also after it is decompressed."""

BODIES_BYTES = 64 << 20
"""The limit for the bodies of all requests together."""

CHUNK_BYTES = 1 << 20
"""The bytes decompressed at once."""

BODY_S = 20.0
"""How long a body may take to arrive."""

RETRY_AFTER_S = 1

JSON = "application/json"


class _AnythingConvertor(Convertor[str]):
    """The rest of a path with any characters: the standard ``path`` ends at a line feed."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _AnythingConvertor())

Endpoint = Callable[[Request], Awaitable[Response]]
ErrorForm = Callable[[int, str], Response]
"""Builds the response to a refused request from a status and one line."""


class RequestError(EdgedError):
    """A request cannot be answered; ``status`` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BusyError(RequestError):
    """The server is overloaded; the same request may succeed later."""

    def __init__(self, message: str) -> None:
        super().__init__(503, f"{message}; try again in {RETRY_AFTER_S} s")


class Resource:
    """An ASGI application with an endpoint for each method.

    `error` answers an endpoint's EdgedError and an unknown method in the protocol's form: 400 for a
    picture that cannot be read, 503 for a model.
    """

    def __init__(self, error: ErrorForm, **endpoints: Endpoint) -> None:
        """`endpoints` are by method, ``GET`` and ``POST``; without any, nothing is found."""
        self._error = error
        self._endpoints = endpoints
        if "GET" in endpoints:
            endpoints["HEAD"] = endpoints["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        endpoint = self._endpoints.get(request.method)
        if not self._endpoints:
            return self._error(404, f"{request.url.path}: not found")
        if endpoint is None:
            allowed = ", ".join(self._endpoints)
            response = self._error(405, f"{request.method} is not allowed here; use {allowed}")
            response.headers["allow"] = allowed
            return response
        try:
            return await endpoint(request)
        except BusyError as error:
            response = self._error(error.status, str(error))
            response.headers["retry-after"] = str(RETRY_AFTER_S)
            return response
        except RequestError as error:
            return self._error(error.status, str(error))
        except PictureError as error:
            return self._error(400, str(error))
        except EdgedError as error:
            return self._error(503, str(error))
        except ClientDisconnect:
            # No one reads it.
            return Response(status_code=400)


class Refusal(Struct, frozen=True):
    """Why a request is refused."""

    error: str


def refusal(status: int, message: str) -> Response:
    """A refusal in the form of TensorFlow Serving, Triton and OpenWhisk."""
    return json_response(Refusal(message), status)


def json_response(body: object, status: int = 200) -> Response:
    """`body` as JSON."""
    return Response(encoded(body), status, media_type=JSON)


def is_number(text: str) -> bool:
    """Whether `text` is a non-negative integer of plausible length."""
    return text.isascii() and text.isdigit() and len(text) <= 9


class Bodies:
    """Reads the bodies of requests, whose sizes are limited individually and in total."""

    def __init__(self) -> None:
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, decompressed; it counts towards `BODIES_BYTES` until the context is left.

        RequestError if it is too long, too slow, or compressed in an unknown way.
        """
        held = _Held(self)
        try:
            try:
                body = await asyncio.wait_for(held.body(request), BODY_S)
            except asyncio.TimeoutError:
                raise RequestError(
                    408, f"the body did not come within {BODY_S:g} s; send it faster"
                ) from None
            yield body
        finally:
            self._held_bytes -= held.bytes

    def hold(self, count: int) -> None:
        """Add to the held bytes. BusyError."""
        if self._held_bytes + count > BODIES_BYTES:
            raise BusyError("too many large requests at once")
        self._held_bytes += count


class _Held:
    """One request's share of the total limit."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.bytes = 0

    async def body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "0")
        if not is_number(length) or int(length) > BODY_BYTES:
            raise _too_long()
        chunks = []
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > BODY_BYTES:
                raise _too_long()
            self._hold(len(chunk))
            chunks.append(chunk)
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        encoding = request.headers.get("content-encoding", "identity").lower()
        return body if encoding == "identity" else self._decompressed(body, encoding)

    def _hold(self, count: int) -> None:
        self._bodies.hold(count)
        self.bytes += count

    def _decompressed(self, body: bytes, encoding: str) -> bytes:
        try:
            window = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}[encoding]
        except KeyError:
            raise RequestError(
                415, f"Content-Encoding {encoding!a} is not supported; use gzip, deflate or none"
            ) from None
        decompressor = zlib.decompressobj(window)
        chunks, rest, made = [], body, 0
        while True:
            # Some kilobytes can decompress to any size.
            try:
                chunk = decompressor.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                raise RequestError(400, f"the body is not {encoding}: {error}") from error
            made += len(chunk)
            if made > BODY_BYTES:
                raise _too_long()
            self._hold(len(chunk))
            chunks.append(chunk)
            rest = decompressor.unconsumed_tail
            if decompressor.eof or (not rest and len(chunk) < CHUNK_BYTES):
                break
        if not decompressor.eof or decompressor.unused_data:
            raise RequestError(400, f"the body is not {encoding}: it ends too early or too late")
        return b"".join(chunks)


def _too_long() -> RequestError:
    return RequestError(413, f"the body is larger than {BODY_BYTES >> 20} MiB; send less at once")
