"""The process: a listening socket, TLS, and uvicorn around the application."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edged import access
from edged.config.schema import Config, WebConfig
from edged.errors import ConfigError
from edged.paths import credential
from edged.web import credentials
from edged.web.app import app
from edged.web.listener import open_listener

log = logging.getLogger(__name__)

CONNECTIONS_LIMIT = 200
"""The most connections at once; others are refused."""

ADDRESS_LIMIT = 64
"""The most connections of one address, so that one machine cannot occupy all."""

HEADERS_BYTES = 16 << 10
HEADERS_S = 10.0
"""How long the header of a request may take, and a connection may be idle before it."""

SENDING_S = 30.0
"""How long a client may accept no data."""

NICE = 10
"""The frame loop has priority: on an overloaded machine this process waits."""


class Protocol(H11Protocol):
    """HTTP/1.1 in which clients cannot block a connection."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and start to wait for its first request."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_LIMIT or self._of_address() > ADDRESS_LIMIT:
            transport.abort()
            return
        self._wait_for_head()

    def _of_address(self) -> int:
        """Connections of this client's address; 0 for this machine, on which a proxy may run."""
        own = self.client[0] if self.client else ""
        if own.startswith(("127.", "::1")):
            return 0
        clients = [getattr(other, "client", None) for other in self.connections]
        return sum(client is not None and client[0] == own for client in clients)

    def data_received(self, data: bytes) -> None:
        """Continue to wait until the header is complete."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """The next request may arrive on this connection."""
        super().on_response_complete()
        # Also while the rest of an unread body arrives.
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """A client that accepts no data has some time to continue."""
        super().pause_writing()
        self._stalled = self.loop.call_later(SENDING_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client accepts data again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """Ends streams before it waits for connections to close; a bug in a thread ends the server."""

    bug: BaseException | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self.config.app.state.live.close()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    def end(self, bug: threading.ExceptHookArgs) -> None:
        """Otherwise the thread would be gone, and the page would look healthy."""
        self.bug = bug.exc_value
        self.should_exit = True


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. ConfigError if `config` cannot be served."""
    # Start and end are logged here, in this project's form.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    server = Server(settings(config))
    listener = listening(config.web)
    log.info("listening at %s", address(config.web))
    threading.excepthook = server.end
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    # It ends by the received signal, after everything is closed.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if server.bug is not None:
        raise server.bug


def settings(config: Config) -> uvicorn.Config:
    """The settings for uvicorn. ConfigError."""
    credentials.check(config.web)
    tls = context(config.web)
    made = uvicorn.Config(
        app(config),
        http=Protocol,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEADERS_BYTES,
        # `Protocol` closes waiting connections.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )
    made.load()
    made.ssl = tls
    return made


def context(web: WebConfig) -> ssl.SSLContext | None:
    """The TLS context for `web`; None without TLS. ConfigError if a file cannot be used."""
    tls = web.tls
    if not tls.cert_file:
        return None
    certificate, key = credential(tls.cert_file), credential(tls.key_file)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(_unusable("cert_file", [certificate, key], error)) from error
    if tls.client_ca_file:
        made.verify_mode = ssl.CERT_REQUIRED
        authority = credential(tls.client_ca_file)
        try:
            made.load_verify_locations(authority)
        except OSError as error:
            raise ConfigError(_unusable("client_ca_file", [authority], error)) from error
    return made


def _unusable(key: str, files: list[Path], error: OSError) -> str:
    named = " with ".join(map(str, files))
    if isinstance(error, PermissionError):
        closed = next((file for file in files if not os.access(file, os.R_OK)), files[0])
        return f"web.tls.{key}: {named}: not permitted; {access.advice(closed, os.R_OK)}"
    reason = getattr(error, "reason", None) or error.strerror or error
    return f"web.tls.{key}: {named}: cannot be used: {reason}; expected PEM files that fit"


def listening(web: WebConfig) -> socket.socket:
    """The socket, bound and listening. ConfigError."""
    try:
        return open_listener(web.listen, web.port)
    except OSError as error:
        raise ConfigError(
            f"web.listen = {web.listen!r}, web.port = {web.port}: cannot listen here: "
            f"{error.strerror or error}; set another web.port, or stop what listens there"
        ) from error


def address(web: WebConfig) -> str:
    """The address for a browser."""
    scheme = "https" if web.tls.cert_file else "http"
    host = f"[{web.listen}]" if ":" in web.listen else web.listen
    if web.listen in ("0.0.0.0", "::"):  # noqa: S104 (read, and not bound)
        host = socket.gethostname()
    return f"{scheme}://{host}:{web.port}/"
