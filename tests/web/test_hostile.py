"""What does no harm: a process that is flooded, starved or bombed goes on answering others."""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from edged.config.schema import Config
from tests.web.conftest import RED
from tests.web.serving import LIMIT_S, Serving, model_options, serving

MORE_MB = 60.0
"""By which the process may grow in all that is done to it: allocators keep something."""


def form(image: bytes) -> tuple[bytes, dict[str, str]]:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    return head + image + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def posted(process: Serving, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(process.address, timeout=LIMIT_S)
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/model/predict", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def classifies(process: Serving) -> bool:
    return posted(process, *form(RED)) == 200


@pytest.fixture(scope="module")
def process(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("web"), "web", *model_options(config)) as made:
        assert classifies(made)
        yield made


@pytest.fixture(autouse=True)
def unharmed(process: Serving) -> Iterator[None]:
    """After each test it answers, and has not grown."""
    before_mb = process.memory_mb()
    yield
    assert classifies(process)
    assert process.memory_mb() < before_mb + MORE_MB


HEAD = b"POST /model/predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST",
        HEAD,
        HEAD + b"Content-Length: 1000\r\n\r\n",
        HEAD + b"Content-Length: 1000\r\n\r\nhalf",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nhalf",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
)
def test_half_a_request_is_let_go(process: Serving, sent: bytes) -> None:
    for _ in range(20):
        with process.connect() as connection:
            connection.sendall(sent)


def test_who_sends_byte_by_byte_keeps_nobody_else_waiting(process: Serving) -> None:
    slow = [process.connect() for _ in range(50)]
    try:
        for letter in HEAD[:40]:
            for connection in slow:
                connection.send(bytes([letter]))
        assert classifies(process)
        for connection in slow[:25]:
            connection.sendall(HEAD[40:] + b"Content-Length: 1000\r\n\r\n")
        for _ in range(10):
            for connection in slow[:25]:
                connection.send(b"x")
        assert classifies(process)
    finally:
        for connection in slow:
            connection.close()


def test_headers_without_end_are_not_kept(process: Serving) -> None:
    sent_bytes = 0
    line = b"X-More: " + b"x" * 65_000 + b"\r\n"
    with process.connect() as connection, suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(HEAD)
        while sent_bytes < 1 << 30:
            connection.sendall(line)
            sent_bytes += len(line)
    # What was in flight when it was closed is no more than the buffers of the kernel.
    assert sent_bytes < 32 << 20


def test_many_headers_are_not_kept(process: Serving) -> None:
    with process.connect() as connection, suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(HEAD)
        for number in range(1 << 18):
            connection.sendall(b"X-%d: x\r\n" % number)
        pytest.fail("a quarter of a million headers were taken")


def png(width_px: int, height_px: int) -> bytes:
    """A picture of so many pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    compressor = zlib.compressobj(9)
    row = bytes(1 + 3 * min(width_px, 20_000))
    rows = b"".join(compressor.compress(row) for _ in range(min(height_px, 1000)))
    data = rows + compressor.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif() -> bytes:
    data = io.BytesIO()
    Image.new("P", (16, 16)).save(data, "GIF")
    content = bytearray(data.getvalue())
    content[6:10] = struct.pack("<HH", 65535, 65535)
    return bytes(content)


@pytest.mark.parametrize(
    "image",
    [png(20_000, 20_000), png(1 << 30, 1 << 30), gif()],
    ids=["400 million pixels", "endless", "gif"],
)
def test_a_picture_that_bursts_is_refused(process: Serving, image: bytes) -> None:
    assert len(image) < 1 << 20
    assert posted(process, *form(image)) == 400


def test_a_body_that_bursts_is_refused(process: Serving) -> None:
    bomb = gzip.compress(bytes(1 << 28), 1)
    headers = {**form(b"")[1], "Content-Encoding": "gzip"}
    assert posted(process, bomb, headers) == 413


def test_a_body_that_is_too_long_is_refused_before_it_comes(process: Serving) -> None:
    with process.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_json_that_becomes_large_is_refused(process: Serving) -> None:
    for body in (b"[" * (1 << 20), b'{"instances":[' + b"[]," * (1 << 20) + b"[]]}"):
        connection = http.client.HTTPConnection(process.address, timeout=LIMIT_S)
        connection.request("POST", "/v1/models/colours:predict", body)
        assert connection.getresponse().status == 400
        connection.close()


def test_a_hundred_at_once_are_answered_or_told_to_come_again(process: Serving) -> None:
    body, headers = form(RED)
    asked: list[Any] = []
    for _ in range(100):
        connection = http.client.HTTPConnection(process.address, timeout=LIMIT_S)
        connection.request("POST", "/model/predict", body, headers)
        asked.append(connection)
    statuses = []
    for connection in asked:
        answer = connection.getresponse()
        statuses.append(answer.status)
        if answer.status == 503:
            assert answer.headers["retry-after"]
        connection.close()
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > 50


def test_it_is_not_the_kernel_that_ends_it(process: Serving) -> None:
    with process.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n")
    assert process.process.poll() is None
