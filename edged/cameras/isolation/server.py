"""The end in the camera's process of the connections for pictures."""

from __future__ import annotations

import json
import mmap
import socket
from collections.abc import Callable

import numpy as np

from edged import memory
from edged.cameras.isolation import ONCE, PICTURE_MESSAGE_BYTES
from edged.core import Pixels
from edged.errors import CameraError
from edged.imaging.resample import resample


class PictureServer:
    """The other end, in the camera's process: answers until the daemon lets go. One thread."""

    def __init__(
        self,
        connection: socket.socket,
        decode: Callable[[int, tuple[int, int] | None], Pixels | None],
        place: Callable[[Pixels, tuple[int, int] | None], tuple[int, int]],
        free: Callable[[int], None],
    ) -> None:
        """`decode` makes the pixels of a capture, None where it is gone. CameraError.

        `place` says in which (height, width) they are wanted.
        """
        self._connection = connection
        self._decode = decode
        self._place = place
        self._free = free
        self._rooms: dict[int, mmap.mmap] = {}
        self._waiting: tuple[int, Pixels, tuple[int, int]] | None = None

    def serve(self) -> None:
        """Until the connection ends."""
        while True:
            message, fds, _, _ = socket.recv_fds(self._connection, PICTURE_MESSAGE_BYTES, 1)
            if not message:
                return
            match json.loads(message):
                case ["decode", request, number, least_px, slot]:
                    self._answer(request, number, least_px and tuple(least_px), slot)
                case ["room", request, slot, size_bytes]:
                    self._use(request, slot, memory.mapped(fds[0], size_bytes, writable=True))
                case ["free", number]:
                    self._free(number)

    def _answer(
        self, request: int, number: int, least_px: tuple[int, int] | None, slot: int
    ) -> None:
        self._waiting = None
        try:
            pixels = self._decode(number, least_px)
        except CameraError as error:
            self._send("damaged", request, str(error)[: PICTURE_MESSAGE_BYTES // 4])
            return
        if pixels is None:
            self._send("gone", request)
            return
        size_px = self._place(pixels, least_px)
        room = self._rooms.get(slot)
        size_bytes = size_px[0] * size_px[1] * 3
        if room is None or len(room) < size_bytes:
            self._waiting = request, pixels, size_px
            self._send("needs", request, size_bytes)
            return
        self._put(request, pixels, size_px, room)

    def _use(self, request: int, slot: int, room: mmap.mmap) -> None:
        if slot != ONCE:
            self._rooms[slot] = room
        if self._waiting is not None and self._waiting[0] == request:
            (_, pixels, size_px), self._waiting = self._waiting, None
            self._put(request, pixels, size_px, room)

    def _put(self, request: int, pixels: Pixels, size_px: tuple[int, int], room: mmap.mmap) -> None:
        height, width = size_px
        out = np.frombuffer(room, np.uint8, height * width * 3).reshape(height, width, 3)
        resample(pixels, out)
        self._send("picture", request, height, width)

    def _send(self, *words: object) -> None:
        self._connection.send(json.dumps(words).encode())
