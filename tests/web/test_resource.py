"""Bodies: how long, how slow and how many they may be."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from edged.web import resource
from edged.web.resource import Bodies, BusyError, RequestError


def request(*chunks: bytes, **headers: str) -> Request:
    """A request whose body comes in `chunks`, and stops to come after them where they end."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]

    async def receive() -> Message:
        if not messages:
            await asyncio.sleep(60.0)
        return messages.pop(0)

    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
    return Request(scope, receive)


def whole(*chunks: bytes, **headers: str) -> Request:
    made = request(**headers)
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    return Request(made.scope, receive)


def read(asked: Request, bodies: Bodies | None = None) -> bytes:
    async def run() -> bytes:
        async with (bodies or Bodies()).read(asked) as body:
            return body

    return asyncio.run(run())


def refused(asked: Request, bodies: Bodies | None = None) -> RequestError:
    with pytest.raises(RequestError) as found:
        read(asked, bodies)
    return found.value


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "BODY_BYTES", 1000)
    monkeypatch.setattr(resource, "BODIES_BYTES", 2500)


def test_a_body_comes_in_any_number_of_parts() -> None:
    assert read(whole(b"")) == b""
    assert read(whole(b"one")) == b"one"
    assert read(whole(b"one", b"", b" two")) == b"one two"


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert len(read(whole(bytes(600), bytes(400)))) == 1000
    assert refused(whole(bytes(600), bytes(401))).status == 413
    # Nothing of it is waited for.
    assert refused(request(content_length="1001")).status == 413


def test_a_body_may_not_grow_beyond_the_limit_when_it_is_decompressed() -> None:
    assert len(read(whole(gzip.compress(bytes(1000)), content_encoding="gzip"))) == 1000
    assert refused(whole(gzip.compress(bytes(1001)), content_encoding="gzip")).status == 413


@pytest.mark.parametrize("chunk_bytes", [1, 7, 999, 1000, 1001])
def test_a_body_is_decompressed_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(resource, "CHUNK_BYTES", chunk_bytes)
    body = bytes(range(250)) * 4
    assert read(whole(gzip.compress(body), content_encoding="gzip")) == body
    assert refused(whole(gzip.compress(body)[:-9], content_encoding="gzip")).status == 400
    assert refused(whole(gzip.compress(body + b"x"), content_encoding="gzip")).status == 413


def test_what_is_compressed_holds_no_more_than_it_has() -> None:
    bodies = Bodies()
    small = gzip.compress(b"small")

    async def together() -> None:
        async with AsyncExitStack() as reading:
            for _ in range(20):
                asked = whole(small, content_encoding="gzip")
                assert await reading.enter_async_context(bodies.read(asked)) == b"small"

    asyncio.run(together())


def test_a_body_that_stops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "BODY_S", 0.05)
    assert refused(request(b"half")).status == 408


def test_all_bodies_together_are_bounded_and_count_until_they_are_answered() -> None:
    bodies = Bodies()

    async def together() -> Any:
        async with bodies.read(whole(bytes(1000))), bodies.read(whole(bytes(1000))):
            async with bodies.read(whole(bytes(500))) as fits:
                assert len(fits) == 500
            with pytest.raises(BusyError):
                async with bodies.read(whole(bytes(501))):
                    pass

    asyncio.run(together())
    for status in (413, 400):
        chunk = bytes(1001) if status == 413 else b"none"
        assert refused(whole(chunk, content_encoding="gzip"), bodies).status == status
    asyncio.run(together())
