"""A receiver of webhooks that believes nothing, and misbehaves when it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = b"0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Got(NamedTuple):
    """A message that came; `status` is what it was answered with."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def number(self) -> int:
        """The event's; of a gap its last."""
        said = self.json
        return int(said.get("number", said.get("last", 0)))


class StrictReceiver:
    """Listens on a port of the loopback. ``answer`` says the status for each message.

    ``raw`` answers in place of HTTP, with the connection's file.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.answer: Callable[[int], int] = lambda _: 204
        self.headers: dict[str, str] = {}
        self.raw: Callable[[Any], None] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.raw is not None:
                    receiver.raw(self.wfile)
                    self.close_connection = True
                    return
                status = receiver.answer(len(receiver.got) + 1)
                receiver.got.append(Got(dict(self.headers), body, status))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                raise AssertionError("nobody follows a redirect")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=hidden"

    def taken(self) -> list[int]:
        """The numbers of what was answered with 2xx."""
        return [got.number for got in self.got if 200 <= got.status < 300]

    def __enter__(self) -> StrictReceiver:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_signed(got: Got, key: bytes = KEY, now_s: float | None = None) -> bool:
    """Whether a message is as Standard Webhooks wants it."""
    at = got.headers["webhook-timestamp"]
    signed = f"{got.headers['webhook-id']}.{at}.".encode() + got.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    fresh = abs((time.time() if now_s is None else now_s) - int(at)) < 300
    return fresh and hmac.compare_digest(f"v1,{expected}", got.headers["webhook-signature"])
