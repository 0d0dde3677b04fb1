"""A web server for models on this machine, which can be made to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``files`` by name. ``break_after`` is how many bytes of a body each connection
    carries before it is cut; ``validators`` whether versions are told apart, ``tag`` the one tag
    that all files have where it is set; ``seen`` holds name and Range header of each request.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.break_after: int | None = None
        self.validators = True
        self.tag = ""
        self.redirects: dict[str, str] = {}
        self.seen: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            asked = self.headers.get("Range")
            server.seen.append((name, asked))
            if name in server.redirects:
                self.send_response(302)
                self.send_header("Location", server.redirects[name])
                self.end_headers()
                return
            if name not in server.files:
                self.send_error(404)
                return
            self._send(server.files[name], asked)

        def _send(self, data: bytes, asked: str | None) -> None:
            tag = server.tag or f'"{hash(data)}"'
            start = 0
            if asked and self.headers.get("If-Range") == tag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            if server.validators:
                self.send_header("ETag", tag)
            self.end_headers()
            end = None if server.break_after is None else start + server.break_after
            self.wfile.write(data[start:end])

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(10)
