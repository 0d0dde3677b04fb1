"""Where the servers listen, and how their connections send."""

from __future__ import annotations

import socket

import pytest
import uvicorn

from edged.cli import main
from edged.config.schema import WebConfig
from edged.web import server
from edged.web.listener import open_listener
from tests.web.serving import free_port


def sends_at_once(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_connection_sends_without_waiting_for_acknowledgements() -> None:
    with (
        open_listener("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert sends_at_once(connection)


def test_so_does_the_page() -> None:
    with server.listening(WebConfig(port=free_port())) as listener:
        assert sends_at_once(listener)


def test_so_does_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[bool] = []

    def run(self: object, sockets: list[socket.socket]) -> None:
        del self
        for listener in sockets:
            with listener:
                served.append(sends_at_once(listener))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    assert main(["action", f"--port={free_port()}"]) == 0
    assert served == [True]


def test_the_action_tells_of_an_address_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        assert main(["action", f"--port={port}"]) == 78
    assert capsys.readouterr().err == (
        f"edged: 127.0.0.1:{port}: cannot listen here: Address already in use\n"
    )
