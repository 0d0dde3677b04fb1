"""Pictures out of a camera's process: asked for one by one, decoded there, in shared memory."""

from __future__ import annotations

import mmap
import os
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import msgspec
import numpy as np

from edged import memory
from edged.cameras.isolation import ONCE, PICTURE_MESSAGE_BYTES
from edged.cameras.source import DecodePending, FrameMissing
from edged.core import Pixels
from edged.errors import CameraError
from edged.imaging.picture import MAX_DECODED_BYTES
from edged.printable import printable

SLOTS = 6
"""Pictures that may lie in shared memory at once; what is kept for longer is copied."""


class _Answer(msgspec.Struct, array_like=True, frozen=True):
    request: int
    number: int


class _Picture(_Answer, tag="picture", frozen=True):
    height_px: int
    width_px: int


class _Needs(_Answer, tag="needs", frozen=True):
    size_bytes: int


class _Damaged(_Answer, tag="damaged", frozen=True):
    why: str


class _Gone(_Answer, tag="gone", frozen=True):
    pass


_Slot: TypeAlias = "tuple[int, mmap.mmap, int]"
"""Its number, its memory and the bytes of that."""

_ANSWERS = msgspec.json.Decoder(_Picture | _Needs | _Damaged | _Gone)


class Pictures:
    """The daemon's end of a connection over which pictures are asked for. Any thread."""

    def __init__(
        self,
        connection: socket.socket,
        patience_s: float,
        slots: int = SLOTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A picture that takes longer than `patience_s` is `DecodePending`.

        `connection` is a SOCK_SEQPACKET. With `slots` 0, memory is used once, for pictures that
        are rare and large.
        """
        self._connection = connection
        self._patience_s = patience_s
        self._slots = slots
        self._clock = clock
        self._one_by_one = threading.Lock()
        self._request = 0
        self._asked: tuple[int | None, tuple[int, int] | None] | None = None
        self._made = 0
        self._free: deque[_Slot] = deque()
        # Those that the camera's process may still write to, by the request that they came with.
        self._lent: dict[int, _Slot] = {}
        self.asked_s: float | None = None
        """Since when an answer is awaited; None while none is."""

    def close(self) -> None:
        """Ask for no more; pictures that are here stay."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with self._one_by_one:
            self._connection.close()

    def free(self, number: int) -> None:
        """The capture of this number is needed no more; never blocks."""
        with suppress(OSError, ValueError):
            self._connection.send(b'["free",%d]' % number, socket.MSG_DONTWAIT)

    def expect(self, after: int, least_px: tuple[int, int] | None) -> None:
        """Let the next capture be decoded as it comes: the first one after number `after`."""
        with self._one_by_one, suppress(OSError):
            if self._asked is None:
                self._ask(None, least_px, "next", after)

    def decode(self, number: int, least_px: tuple[int, int] | None) -> Pixels:
        """The picture of a capture, as `edged.cameras.source.Capture.decode` has it.

        DecodePending where that takes longer; asked again for the same, it waits on. FrameMissing
        where the capture has been let go. CameraError.
        """
        with self._one_by_one:
            try:
                if self._connection.fileno() < 0:
                    raise FrameMissing("its process has ended")
                if self._asked not in ((number, least_px), (None, least_px)):
                    self._ask(number, least_px, "decode", number)
                pixels = self._await(number, least_px, self._clock() + self._patience_s)
            except DecodePending:
                raise
            except OSError as error:
                self._asked = self.asked_s = None
                raise FrameMissing("its process has ended") from error
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self._asked = self.asked_s = None
                raise CameraError("its process does not keep to the protocol") from error
            except CameraError:
                self._asked = self.asked_s = None
                raise
            self._asked = self.asked_s = None
            return pixels

    def _ask(
        self, number: int | None, least_px: tuple[int, int] | None, verb: str, which: int
    ) -> None:
        self._request += 1
        slot = self._free.pop() if self._free else None
        if slot is not None:
            self._lent[self._request] = slot
        self._asked = number, least_px
        # Of the next capture nobody knows when it comes.
        self.asked_s = None if number is None else self._clock()
        words = verb, self._request, which, least_px, ONCE if slot is None else slot[0]
        self._connection.send(msgspec.json.encode(words))

    def _await(self, number: int, least_px: tuple[int, int] | None, deadline_s: float) -> Pixels:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while True:
            self.asked_s = self.asked_s or self._clock()
            if not poll.poll(1e3 * max(0.0, deadline_s - self._clock())):
                raise DecodePending("the picture is not decoded yet")
            message = self._connection.recv(PICTURE_MESSAGE_BYTES)
            if not message:
                # Who waits for frames says how.
                raise FrameMissing("its process has ended")
            answer = _ANSWERS.decode(message)
            if answer.request != self._request:
                # To what was asked before, and is wanted no more.
                self._take_back(answer.request)
                continue
            if answer.number != number:
                # Meanwhile a newer one was taken than the next one was then.
                self._take_back(answer.request)
                self._ask(number, least_px, "decode", number)
                continue
            match answer:
                case _Picture():
                    return self._picture(answer)
                case _Needs():
                    self._make_room(answer)
                case _Damaged():
                    self._take_back(answer.request)
                    raise CameraError(printable(answer.why))
                case _Gone():
                    self._take_back(answer.request)
                    raise FrameMissing("a newer frame has taken its place")

    def _take_back(self, request: int) -> None:
        slot = self._lent.pop(request, None)
        if slot is not None and slot[0] != ONCE:
            self._free.append(slot)

    def _make_room(self, wanted: _Needs) -> None:
        if not 0 < wanted.size_bytes <= MAX_DECODED_BYTES:
            raise CameraError(f"its process asks for {wanted.size_bytes} bytes for a picture")
        before = self._lent.pop(self._request, None)
        number, replaced = ONCE, ONCE if before is None else before[0]
        if before is not None or self._made < self._slots:
            self._made += before is None
            number = replaced if replaced != ONCE else self._made
        size_bytes = -(-wanted.size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        fd = memory.sealed("edged-picture", size_bytes)
        words = "room", self._request, number, size_bytes
        try:
            socket.send_fds(self._connection, [msgspec.json.encode(words)], [fd])
        except OSError:
            os.close(fd)
            raise
        self._lent[self._request] = (
            number,
            memory.mapped(fd, size_bytes, writable=False),
            size_bytes,
        )

    def _picture(self, told: _Picture) -> Pixels:
        slot = self._lent.pop(told.request, None)
        count = told.height_px * told.width_px * 3
        if slot is None or told.height_px < 1 or told.width_px < 1 or count > slot[2]:
            raise CameraError(
                f"its process gives a picture of {told.width_px}x{told.height_px} without room"
            )
        flat = np.frombuffer(slot[1], np.uint8, count)
        shape = told.height_px, told.width_px, 3
        if slot[0] == ONCE:
            return flat.reshape(shape)
        if not self._free and self._made == self._slots:
            # All others are in use for long; the next picture shall have room too.
            copy = flat.reshape(shape).copy()
            self._free.append(slot)
            return copy
        # All views of it hold it, and the slot with it.
        weakref.finalize(flat, self._free.append, slot).atexit = False
        return flat.reshape(shape)
