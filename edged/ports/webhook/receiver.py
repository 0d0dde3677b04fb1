"""Posts to one address within a time limit."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from edged import paths
from edged.errors import PortError
from edged.printable import printable

ANSWER_BYTES = 65536
"""How much of a response's body is read, so that the connection can be reused."""

WORDS = 100
"""A receiver's own text is cut to this many characters."""


class Answer(NamedTuple):
    """A status with its text, and the wait that the receiver requests."""

    status: int
    words: str
    retry_after_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.status} {self.words}".rstrip()

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the message."""
        return 200 <= self.status < 300

    @property
    def helps_to_wait(self) -> bool:
        """Whether it may accept the same message later."""
        return self.status < 200 or self.status in (408, 429) or self.status >= 500


class Receiver:
    """Posts over one persistent connection. One thread, except for `abort`.

    It uses the standard library's client: the journal already provides retries, order and memory,
    redirects are not followed, and a limit on the whole attempt needs access to the socket.
    """

    def __init__(self, url: str, timeout_s: float, ca_file: str = "") -> None:
        self._url = urlsplit(url)
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._aborted = False

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The receiver's answer; PortError if none arrives in time."""
        end_s = time.monotonic() + self._timeout_s
        # A socket's timeout limits each step only: a byte now and then would block forever.
        deadline = threading.Timer(self._timeout_s, self._shut)
        deadline.daemon = True
        deadline.start()
        try:
            connection = self._connection or self._connect()
            if self._aborted or time.monotonic() > end_s:
                raise TimeoutError
            connection.request("POST", _target(self._url), body, dict(headers))
            response = connection.getresponse()
            if self._aborted or time.monotonic() > end_s:
                # After our own abort, it may be a partial answer.
                raise TimeoutError
            answer = Answer(
                response.status,
                printable(response.reason)[:WORDS],
                _seconds(response.headers.get("Retry-After", "")),
            )
            # The relevant part has arrived.
            with suppress(OSError, http.client.HTTPException, ValueError):
                response.read(ANSWER_BYTES)
            if not response.isclosed() or response.will_close:
                self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            late = time.monotonic() >= end_s
            slow = f"no answer within {self._timeout_s:g} s; check the receiver and the network"
            reason = slow if late else _reason(error)
            raise PortError(reason) from error
        finally:
            deadline.cancel()
        return answer

    def abort(self) -> None:
        """End the request in progress, and start no more. Any thread."""
        self._aborted = True
        self._shut()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()
        self._connection = self._socket = None

    def _shut(self) -> None:
        opened = self._socket
        if opened is not None:
            with suppress(OSError):
                # Wakes a waiting thread, which closing would not. The shutdown of a TLS socket
                # would first make it a plain one, to which the other thread may write what must be
                # encrypted.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
        context = None
        if self._url.scheme == "https":
            kind = http.client.HTTPSConnection
            context = ssl.create_default_context(
                cafile=str(paths.credential(self._ca_file)) if self._ca_file else None
            )
        connection = kind(host, port, timeout=self._timeout_s)
        self._socket = opened = socket.create_connection(
            (host, connection.port), timeout=self._timeout_s
        )
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self._socket = opened = secured = context.wrap_socket(
                opened, server_hostname=host, do_handshake_on_connect=False
            )
            secured.do_handshake()
        connection.sock = opened
        self._connection = connection
        return connection


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0.0


def _reason(error: Exception) -> str:
    """Why there is no answer, and what to check."""
    match error:
        case socket.gaierror():
            return "its name cannot be resolved; check url"
        case ConnectionRefusedError():
            return "nothing listens there; check url, and that the receiver runs"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}; check ca_file"
        case ssl.SSLError():
            return f"TLS fails: {error.reason}; check url and ca_file"
        case TimeoutError():
            return "it does not answer; check url and the network"
        case http.client.RemoteDisconnected() | http.client.BadStatusLine():
            return "its answer is not HTTP; check url"
        case OSError():
            return f"{error.strerror or type(error).__name__}; check url and the network"
        case _:
            return f"its answer is not HTTP: {type(error).__name__}; check url"
