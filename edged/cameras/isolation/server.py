"""The end in the camera's process of the connections for pictures."""

from __future__ import annotations

import json
import mmap
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from edged import memory
from edged.cameras.isolation import ONCE, PICTURE_MESSAGE_BYTES
from edged.cameras.isolation.captures import Captures
from edged.errors import CameraError

if TYPE_CHECKING:
    from edged.core import Pixels

_Size: TypeAlias = "tuple[int, int]"
"""Height and width in pixels."""

_Write: TypeAlias = "Callable[[memoryview], None]"
"""Writes a picture into memory of shape (height, width, 3). CameraError."""


class PictureServer:
    """Answers until the daemon lets go."""

    def __init__(
        self,
        connection: socket.socket,
        captures: Captures,
        place: Callable[[_Size, _Size | None], _Size],
    ) -> None:
        """`place` says in which (height, width) a picture of some size is wanted."""
        self._connection = connection
        self._captures = captures
        self._place = place
        self._one_by_one = threading.Lock()
        self._rooms: dict[int, mmap.mmap] = {}
        self._next: tuple[int, _Size | None, int] | None = None
        self._waiting: tuple[int, int, _Write, _Size] | None = None
        self.least_px: _Size | None = None
        """What was wanted last, of less than whole pictures."""

    def serve(self) -> None:
        """Until the connection ends."""
        while True:
            message, fds, _, _ = socket.recv_fds(self._connection, PICTURE_MESSAGE_BYTES, 1)
            if not message:
                return
            with self._one_by_one:
                self._obey(json.loads(message), fds)

    def captured(self, number: int) -> None:
        """Decode this capture, if the next one is wanted."""
        with self._one_by_one:
            if self._next is not None:
                request, least_px, slot = self._next
                self._answer(request, number, least_px, slot)

    def _obey(self, words: list[Any], fds: list[int]) -> None:
        match words:
            case ["next", request, after, least_px, slot]:
                self.least_px = least_px and tuple(least_px)
                newest = self._captures.newest
                if newest > after:
                    self._answer(request, newest, self.least_px, slot)
                else:
                    self._next = request, self.least_px, slot
            case ["decode", request, number, least_px, slot]:
                least_px = least_px and tuple(least_px)
                self.least_px = least_px or self.least_px
                self._answer(request, number, least_px, slot)
            case ["room", request, slot, size_bytes]:
                self._use(request, slot, memory.mapped(fds[0], size_bytes, writable=True))
            case ["free", number]:
                self._captures.free(number)

    def _answer(self, request: int, number: int, least_px: _Size | None, slot: int) -> None:
        self._next = self._waiting = None
        capture = self._captures.asked_for(number)
        if capture is None:
            self._send("gone", request, number)
            return
        write: _Write
        if (raw := capture.raw) is not None:
            found_px, write = raw.size_px, raw.convert
        else:
            try:
                pixels = capture.decode(least_px)
            except CameraError as error:
                self._tell_of_damage(request, number, error)
                return
            found_px, write = (pixels.shape[0], pixels.shape[1]), partial(_copy, pixels)
        size_px = self._place(found_px, least_px)
        size_bytes = size_px[0] * size_px[1] * 3
        room = self._rooms.get(slot)
        if room is None or len(room) < size_bytes:
            self._waiting = request, number, write, size_px
            self._send("needs", request, number, size_bytes)
            return
        self._put(request, number, write, size_px, room)

    def _use(self, request: int, slot: int, room: mmap.mmap) -> None:
        if slot != ONCE:
            self._rooms[slot] = room
        if self._waiting is not None and self._waiting[0] == request:
            _, number, write, size_px = self._waiting
            self._waiting = None
            self._put(request, number, write, size_px, room)

    def _put(
        self, request: int, number: int, write: _Write, size_px: _Size, room: mmap.mmap
    ) -> None:
        height, width = size_px
        try:
            write(memoryview(room)[: height * width * 3].cast("B", (height, width, 3)))
        except CameraError as error:
            self._tell_of_damage(request, number, error)
            return
        self._send("picture", request, number, height, width)

    def _tell_of_damage(self, request: int, number: int, error: CameraError) -> None:
        self._send("damaged", request, number, str(error)[: PICTURE_MESSAGE_BYTES // 4])

    def _send(self, *words: object) -> None:
        self._connection.send(json.dumps(words).encode())


def _copy(pixels: Pixels, out: memoryview) -> None:
    # Sources of uncompressed frames need neither.
    import numpy as np

    from edged.imaging.resample import resample

    resample(pixels, np.asarray(out))
