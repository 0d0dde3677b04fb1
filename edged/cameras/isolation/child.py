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
from collections import deque
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from edged.cameras.kinds import KINDS, CameraKind
from edged.cameras.source import Capture, FrameMissing, ScalingSource, Source, SourceEnded
from edged.child import end_with
from edged.errors import CameraError

if TYPE_CHECKING:
    from edged.config.schema import CameraConfig
    from edged.core import Pixels

ORDER_BYTES = 1 << 16
TEXT_CHARACTERS = 2000
BACKLOG_BYTES = 1 << 15
"""What may wait for a daemon that is stopped: of frames, a second's worth and no more."""

UNREAD = 4
"""Captures that are kept although nobody has asked for their picture yet."""

LEAVE_S = 0.5
"""How long a source that does not notice the end may take; then the process ends without it."""

SLEEP_TOLD_S = 0.2


class Captures:
    """What has been captured and is not let go, by number. Any thread."""

    def __init__(self) -> None:
        self._in_order = threading.Lock()
        self._kept: dict[int, Capture] = {}
        self._unread: deque[int] = deque()
        self._number = 0

    def keep(self, capture: Capture) -> int:
        """Its number; of those that nobody asked for, the oldest makes room."""
        with self._in_order:
            self._number += 1
            self._kept[self._number] = capture
            self._unread.append(self._number)
            if len(self._unread) > UNREAD:
                self._kept.pop(self._unread.popleft(), None)
            return self._number

    def asked_for(self, number: int) -> Capture | None:
        """The capture, which is kept from now on until it is freed; None if it is gone."""
        with self._in_order:
            if number in self._unread:
                self._unread.remove(number)
            return self._kept.get(number)

    def free(self, number: int) -> None:
        """Nobody will ask for it any more."""
        with self._in_order:
            self._kept.pop(number, None)
            if number in self._unread:
                self._unread.remove(number)


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
        self._least_px: tuple[int, int] | None = None

    def run(self) -> None:
        """Until the camera fails or ends, or the daemon lets go."""
        try:
            kind = self._prepare()
            self._open(kind)
        except SourceEnded as end:
            self.tell("ended", str(end))
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
        message = self._connection.recv(ORDER_BYTES)
        if not message:
            return
        self._least_px = _size(json.loads(message)[1])
        make: Callable[..., Source] = getattr(self._module, KINDS[kind].source_class)
        self._source = source = make(self._camera, sleep=self._sleep)
        self._scale(source)
        for connection in self._pictures:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        with source:
            self.tell("opened", source.name)
            while not self._closing.is_set():
                self._scale(source)
                try:
                    self._offer(source.grab())
                except FrameMissing as missing:
                    self.tell("missing", str(missing))

    def _scale(self, source: Source) -> None:
        if isinstance(source, ScalingSource):
            source.least_px = self._least_px

    def _offer(self, capture: Capture) -> None:
        number = self._captures.keep(capture)
        words = "frame", number, capture.captured_s, capture.live, capture.doubt
        try:
            self._connection.send(_packed(*words), socket.MSG_DONTWAIT)
        except BlockingIOError:
            # It is stopped, or far behind: newer ones are better.
            self._captures.free(number)
        except OSError:
            self._closing.set()

    def _sleep(self, for_s: float) -> None:
        """As a source expects it; what takes long is told, or it would look like a hang."""
        if for_s > SLEEP_TOLD_S:
            self.tell("due", getattr(self._source, "due_s", 0.0) or time.monotonic() + for_s)
        if self._closing.wait(for_s):
            raise CameraError("the camera is closed")

    def _serve(self, connection: socket.socket) -> None:
        from edged.cameras.isolation.server import PictureServer

        PictureServer(connection, self._decode, self._place, self._captures.free).serve()
        self._closing.set()
        # Where a driver or a decoder does not return, nothing else ends this process.
        time.sleep(LEAVE_S)
        os._exit(0)

    def _decode(self, number: int, least_px: tuple[int, int] | None) -> Pixels | None:
        if least_px is not None:
            self._least_px = least_px
        capture = self._captures.asked_for(number)
        return None if capture is None else capture.decode(least_px)

    def _place(self, pixels: Pixels, least_px: tuple[int, int] | None) -> tuple[int, int]:
        from edged.cameras.orient import exact_px

        size_px = pixels.shape[0], pixels.shape[1]
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


def _size(words: list[int] | None) -> tuple[int, int] | None:
    return None if words is None else (words[0], words[1])


def _packed(*words: Any) -> bytes:
    return json.dumps([w[:TEXT_CHARACTERS] if isinstance(w, str) else w for w in words]).encode()
