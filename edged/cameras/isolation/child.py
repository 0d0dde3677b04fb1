"""What the process of a camera does: it opens the camera once, and answers until it is let go."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from edged.cameras.isolation.captures import Captures
from edged.cameras.kinds import KINDS, CameraKind
from edged.cameras.source import Capture, FrameMissing, ScalingSource, Source, SourceEnded
from edged.child import end_with
from edged.errors import CameraError

if TYPE_CHECKING:
    from edged.cameras.isolation.server import PictureServer
    from edged.config.schema import CameraConfig

ORDER_BYTES = 1 << 16
TEXT_CHARACTERS = 2000
BACKLOG_BYTES = 1 << 15
"""What may wait for a daemon that is stopped: of frames, a second's worth and no more."""

LEAVE_S = 0.5
"""How long a source that does not notice the end may take; then the process ends without it."""

SLEEP_TOLD_S = 0.2


class CameraChild:
    """One camera, opened once, at the other end of a socket pair."""

    def __init__(
        self, connection: socket.socket, pictures: list[socket.socket], camera: CameraConfig
    ) -> None:
        """`pictures` are the connections for what the model needs, and for whole pictures."""
        self._connection = connection
        self._pictures = pictures
        self._camera = camera
        self._captures = Captures()
        self._closing = threading.Event()
        self._source: Source | None = None

    def run(self) -> None:
        """Until the camera fails or ends, or the daemon lets go."""
        try:
            kind = self._prepare()
            self._open(kind)
        except SourceEnded as end:
            self.tell("ended", str(end))
            # Its last frame may be read yet.
            self._closing.wait()
        except CameraError as error:
            if not self._closing.is_set():
                self.tell("failed", str(error))

    def tell(self, *words: Any) -> None:
        """Send a message; waits for a daemon that is stopped."""
        try:
            self._connection.send(_packed(*words))
        except OSError:
            self._closing.set()

    def _prepare(self) -> CameraKind:
        """Import what opening needs, and give up all rights but those that it needs."""
        from edged.cameras.isolation.reach import reach_of, stay_within

        kind = self._camera.kind
        if kind == "auto":
            from edged.cameras.auto import detect

            kind = detect()
        self._module = import_module(f"edged.cameras.{KINDS[kind].module}")
        if library := KINDS[kind].library:
            # What it lacks, the source has the words for.
            with contextlib.suppress(ImportError, ValueError):
                import_module(library)
        self.tell("ready", kind, *stay_within(reach_of(kind, self._camera)))
        return kind

    def _open(self, kind: CameraKind) -> None:
        from edged.cameras.isolation.server import PictureServer

        message = self._connection.recv(ORDER_BYTES)
        if not message:
            return
        small, whole = (PictureServer(c, self._captures, self._place) for c in self._pictures)
        least_px = json.loads(message)[1]
        small.least_px = None if least_px is None else (least_px[0], least_px[1])
        make: Callable[..., Source] = getattr(self._module, KINDS[kind].source_class)
        self._source = source = make(self._camera, sleep=self._sleep)
        _scale(source, small.least_px)
        for server in (small, whole):
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()
        with source:
            self.tell("opened", source.name)
            while not self._closing.is_set():
                _scale(source, small.least_px)
                try:
                    number = self._offer(source.grab())
                    small.captured(number)
                except FrameMissing as missing:
                    self.tell("missing", str(missing))

    def _offer(self, capture: Capture) -> int:
        """Tell of a capture; its number."""
        number = self._captures.keep(capture)
        words = (
            *("frame", number, capture.captured_s),
            *(capture.live, capture.exposure_s, capture.doubt),
        )
        try:
            self._connection.send(_packed(*words), socket.MSG_DONTWAIT)
        except BlockingIOError:
            # It is stopped, or far behind: newer ones are better.
            self._captures.free(number)
        except OSError:
            self._closing.set()
        return number

    def _sleep(self, for_s: float) -> None:
        """As a source expects it; what takes long is told, or it would look like a hang."""
        if for_s > SLEEP_TOLD_S:
            self.tell("due", getattr(self._source, "due_s", 0.0) or time.monotonic() + for_s)
        if self._closing.wait(for_s):
            raise CameraError("the camera is closed")

    def _serve(self, server: PictureServer) -> None:
        # A daemon that ends in the midst of an answer is no error.
        with contextlib.suppress(OSError):
            server.serve()
        self._closing.set()
        # Where a driver or a decoder does not return, nothing else ends this process.
        time.sleep(LEAVE_S)
        os._exit(0)

    def _place(self, size_px: tuple[int, int], least_px: tuple[int, int] | None) -> tuple[int, int]:
        from edged.cameras.orient import exact_px

        # To copy it into shared memory costs as much as to make it as small as the model has it.
        return exact_px(self._camera, size_px, least_px) or size_px


class ToDaemon(logging.Handler):
    """Log records become messages."""

    def __init__(self, child: CameraChild) -> None:
        super().__init__()
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        self._child.tell("log", record.levelno, self.format(record))


def main() -> int:
    """The process: its standard input is the socket."""
    try:
        connection = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    except OSError:
        print("edged: no socket on standard input; `edged run` starts it", file=sys.stderr)
        return os.EX_USAGE
    first, fds, _, _ = socket.recv_fds(connection, ORDER_BYTES, 2)
    if not first:
        return 0
    order = json.loads(first)
    end_with(order["parent_id"])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BACKLOG_BYTES)
    pictures = [socket.socket(fileno=fd) for fd in fds]
    child = CameraChild(connection, pictures, camera_of(order["camera"]))
    handlers = [ToDaemon(child)]
    logging.basicConfig(level=order["log_level"], format="%(message)s", handlers=handlers)
    child.run()
    # Without the interpreter's end: other threads may be in a decoder.
    os._exit(0)


def camera_of(fields: dict[str, Any]) -> Any:
    """A ``CameraConfig`` without its types, of which only the region is compared as a whole."""
    return SimpleNamespace(**{**fields, "region": tuple(fields["region"])})


def _scale(source: Source, least_px: tuple[int, int] | None) -> None:
    if isinstance(source, ScalingSource):
        source.least_px = least_px


def _packed(*words: Any) -> bytes:
    return json.dumps([w[:TEXT_CHARACTERS] if isinstance(w, str) else w for w in words]).encode()
