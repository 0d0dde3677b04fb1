"""The socket that an HTTP server listens at."""

from __future__ import annotations

import socket
from contextlib import ExitStack

BACKLOG = 200
"""Connections that wait until they are accepted."""


def open_listener(address: str, port: int) -> socket.socket:
    """A socket that is bound to `address`, a number or a name, and listens. OSError."""
    family, kind, protocol, _, where = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with ExitStack() as unless_listening:
        listener = unless_listening.enter_context(socket.socket(family, kind, protocol))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. uvicorn writes the head and the body of an answer one after the
        # other: Nagle's algorithm holds the body back until the client acknowledges the head, for
        # which its kernel takes 40 ms. asyncio sets it only where a socket names its protocol.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
        unless_listening.pop_all()
    return listener
