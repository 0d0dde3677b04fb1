"""The process over real sockets: TLS, and clients that hold connections for nothing."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edged.config.schema import Config, WebConfig, WebTlsConfig
from edged.errors import ConfigError
from edged.web import server
from edged.web.live import Live
from tests.mosquitto import LIMIT_S, wait_until
from tests.web.serving import free_port

GET = b"GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def running(web: WebConfig) -> Iterator[server.Server]:
    """An `edged web` in a thread, with small buffers; no daemon is there."""
    serves = server.Server(server.settings(Config(web=web)))
    listener = server.listening(web)
    # Its connections inherit this.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
    thread = threading.Thread(target=serves.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: serves.started)
        yield serves
    finally:
        serves.should_exit = True
        thread.join(LIMIT_S)


@contextmanager
def serving(web: WebConfig) -> Iterator[tuple[str, int]]:
    """The address of an `edged web` in a thread."""
    with running(web):
        yield web.listen, web.port


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(server, "HEADERS_S", 0.3)
    with serving(WebConfig(port=free_port())) as where:
        yield where


def connected(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, LIMIT_S)
    connection.settimeout(LIMIT_S)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    got = b""
    with suppress(ConnectionError):
        while chunk := connection.recv(65536):
            got += chunk
    return got


def test_it_answers(address: tuple[str, int]) -> None:
    with connected(address) as client:
        client.sendall(GET)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_the_connection(
    address: tuple[str, int], begun: bytes
) -> None:
    with connected(address) as client:
        client.sendall(begun)
        assert rest(client) == b""


def test_a_head_that_comes_drop_by_drop_ends_the_connection(address: tuple[str, int]) -> None:
    ended = threading.Event()
    with connected(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        def drip() -> None:
            with suppress(OSError):
                while not ended.wait(0.02):
                    client.sendall(b"X-Slow: 1\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        rest(client)
        ended.set()
        dripping.join(LIMIT_S)


def test_a_second_request_has_the_same_time(address: tuple[str, int]) -> None:
    with connected(address) as client:
        client.sendall(GET + GET + b"GET /")
        assert rest(client).count(b"HTTP/1.1 200") == 2


def test_a_body_that_nobody_reads_holds_no_connection(address: tuple[str, int]) -> None:
    with connected(address) as client:
        client.sendall(
            b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        )
        ended = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not ended.wait(0.02):
                    client.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert rest(client).startswith(b"HTTP/1.1 404")
        ended.set()
        dripping.join(LIMIT_S)


def test_a_head_without_end_is_refused(address: tuple[str, int]) -> None:
    with connected(address) as client:
        with suppress(ConnectionError):
            for _ in range(1000):
                client.sendall(b"X-Much: " + b"x" * 8192 + b"\r\n")
        assert not rest(client).startswith(b"HTTP/1.1 200")
    with connected(address) as other:
        other.sendall(GET)
        assert other.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_no_http_is_told_so(address: tuple[str, int]) -> None:
    with connected(address) as client:
        client.sendall(b"\x16\x03\x01\r\n\r\n")
        assert rest(client).startswith(b"HTTP/1.1 400")


def test_connections_are_bounded(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 60.0)
    monkeypatch.setattr(server, "CONNECTIONS_LIMIT", 3)
    held = [connected(address) for _ in range(3)]
    try:
        for client in held:
            client.sendall(GET)
            client.recv(65536)
        with connected(address) as fourth:
            with suppress(ConnectionError):
                fourth.sendall(GET)
            assert rest(fourth) == b""
    finally:
        for client in held:
            client.close()


def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SENDING_S", 0.3)
    web = WebConfig(port=free_port())
    with running(web) as serves, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT_S)
        client.connect((web.listen, web.port))
        connections = serves.server_state.connections
        wait_until(lambda: len(connections) == 1)
        with suppress(ConnectionError):
            client.sendall(GET.replace(b"icon.svg", b"icon-512.png") * 1000)
        # More than the buffers hold, of which nothing is read.
        wait_until(lambda: not connections)


Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``server.pem`` and ``client.pem``, each its own authority, with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client", "stranger"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=DNS:localhost"),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


def tls(folder: Path, **more: str) -> WebConfig:
    files = {"cert_file": folder / "server.pem", "key_file": folder / "server.key"}
    paths = {key: str(path) for key, path in files.items()}
    return WebConfig(port=free_port(), tls=WebTlsConfig(**paths, **more))


def trusting(folder: Path, own: str = "") -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(folder / "server.pem"))
    if own:
        made.load_cert_chain(folder / f"{own}.pem", folder / f"{own}.key")
    return made


def answered(where: tuple[str, int], context: ssl.SSLContext) -> bytes:
    with (
        connected(where) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(GET)
        return client.recv(65536)


def test_it_speaks_tls(certificates: Path) -> None:
    with serving(tls(certificates)) as where:
        answer = answered(where, trusting(certificates))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"strict-transport-security" in answer


def test_a_certificate_is_asked_for_where_an_authority_is_named(certificates: Path) -> None:
    asking = tls(certificates, client_ca_file=str(certificates / "client.pem"))
    with serving(asking) as where:
        for own in ("", "stranger"):
            with suppress(ssl.SSLError, ConnectionError):
                assert answered(where, trusting(certificates, own)) == b""
        shown = answered(where, trusting(certificates, "client"))
    assert shown.startswith(b"HTTP/1.1 200")


def test_a_certificate_that_cannot_be_used_is_named(certificates: Path) -> None:
    good = tls(certificates)
    wrong = {
        "cert_file": str(certificates / "nothing.pem"),
        "key_file": str(certificates / "client.key"),
    }
    for key, path in wrong.items():
        files = {"cert_file": good.tls.cert_file, "key_file": good.tls.key_file, key: path}
        with pytest.raises(ConfigError, match=r"web\.tls\.cert_file: .*cannot be used"):
            server.context(WebConfig(tls=WebTlsConfig(**files)))


def test_it_ends_while_somebody_looks(caplog: pytest.LogCaptureFixture) -> None:
    with serving(WebConfig(port=free_port())) as where:
        client = connected(where)
        client.sendall(GET.replace(b"/static/icon.svg", b"/live/state"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    rest(client)
    client.close()
    assert not [record for record in caplog.records if record.exc_info]


def test_a_bug_in_a_thread_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Live) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(Live, "_follow", broken)
    monkeypatch.setattr(server.threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(server.os, "setpriority", lambda *_: None)
    with pytest.raises(KeyError, match="bug"):
        server.serve(Config(web=WebConfig(port=free_port())))


def test_an_address_that_is_taken_is_told() -> None:
    web = WebConfig(port=free_port())
    with socket.socket() as taken:
        taken.bind((web.listen, web.port))
        taken.listen()
        with pytest.raises(ConfigError, match=r"cannot listen here: Address already in use"):
            server.listening(web)


@pytest.mark.parametrize(
    ("web", "address"),
    [
        (WebConfig(), "http://127.0.0.1:8080/"),
        (WebConfig(listen="::1", port=80), "http://[::1]:80/"),
        (WebConfig(tls=WebTlsConfig(cert_file="c")), "https://127.0.0.1:8080/"),
        (WebConfig(listen="0.0.0.0"), f"http://{socket.gethostname()}:8080/"),  # noqa: S104
        (WebConfig(listen="::", port=90), f"http://{socket.gethostname()}:90/"),
    ],
)
def test_the_address_is_printed_as_it_is_typed(web: WebConfig, address: str) -> None:
    assert server.address(web) == address
