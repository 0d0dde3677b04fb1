"""The process: a listening socket, TLS, and uvicorn around the application."""

from __future__ import annotations

import logging
import socket

import uvicorn

from edged.config.schema import Config, WebConfig
from edged.errors import ConfigError
from edged.web.app import app

log = logging.getLogger(__name__)

CONNECTIONS_LIMIT = 256


def serve(config: Config) -> None:
    """Until SIGTERM or SIGINT. ConfigError where the address cannot be listened at."""
    # That it starts and ends is said here, in this project's words.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = listening(config.web)
    server = uvicorn.Server(
        uvicorn.Config(
            app(config),
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_LIMIT,
            timeout_graceful_shutdown=2,
        )
    )
    log.info("listening at %s", address(config.web))
    server.run(sockets=[listener])


def listening(web: WebConfig) -> socket.socket:
    """The socket, bound and listening. ConfigError."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            web.listen, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(CONNECTIONS_LIMIT)
    except OSError as error:
        raise ConfigError(
            f"web.listen = {web.listen!r}, web.port = {web.port}: cannot listen here: "
            f"{error.strerror or error}"
        ) from error
    return listener


def address(web: WebConfig) -> str:
    """As a person types it into a browser."""
    scheme = "https" if web.tls.cert_file else "http"
    host = f"[{web.listen}]" if ":" in web.listen else web.listen
    return f"{scheme}://{host}:{web.port}/"
