"""Pictures in shared memory: from the daemon to another process without a copy in between.

A memfd of `SLOTS` slots, one picture in each, the newest over the oldest. A slot begins with its
picture's sequence number, which is 0 while the picture is written: a reader that finds the
announced number before and after its copy has a consistent picture; a slow one finds another
number.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from edged.core import Pixels

if TYPE_CHECKING:
    import numpy as np

SLOTS = 4
_HEADER_BYTES = 64
_F_ADD_SEALS = 1033
_SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x2, 0x4, 0x10


class Place(NamedTuple):
    """The place and size of a picture."""

    sequence: int
    height_px: int
    width_px: int


class SharedWriter:
    """The daemon's end. One thread."""

    def __init__(self, side_px: int) -> None:
        """Memory for pictures of up to `side_px` on their longer side; larger ones are reduced.

        OSError if the kernel provides no memory.
        """
        self._side_px = side_px
        self._sequence = 0
        self._slot_bytes = _slot_bytes(side_px)
        self.fd = os.memfd_create("edged-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, SLOTS * self._slot_bytes)
            self._memory = mmap.mmap(self.fd, SLOTS * self._slot_bytes)
            # Receivers can neither shrink it, which would crash the daemon at its next write, nor
            # write.
            fcntl.fcntl(self.fd, _F_ADD_SEALS, _SEAL_SHRINK | _SEAL_GROW)
            with suppress(OSError):
                # Linux before 5.1 lacks this seal.
                fcntl.fcntl(self.fd, _F_ADD_SEALS, _SEAL_FUTURE_WRITE)
        except OSError:
            os.close(self.fd)
            raise

    def close(self) -> None:
        """Release the memory, unless others still use it."""
        self._memory.close()
        os.close(self.fd)

    def put(self, pixels: Pixels) -> Place:
        """Write a picture over the oldest."""
        from edged.imaging.resample import resample

        height, width, _ = pixels.shape
        scale = min(1.0, self._side_px / max(height, width))
        size_px = max(1, round(height * scale)), max(1, round(width * scale))
        self._sequence += 1
        sequence, picture = _slot(self._memory, self._sequence, self._slot_bytes, size_px)
        sequence[0] = 0
        resample(pixels, picture)
        sequence[0] = self._sequence
        return Place(self._sequence, *size_px)


class SharedReader:
    """The other end; `fd` is closed."""

    def __init__(self, fd: int, side_px: int) -> None:
        """`side_px` as the writer has it. OSError, ValueError if `fd` is not such memory."""
        self._slot_bytes = _slot_bytes(side_px)
        try:
            self._memory = mmap.mmap(fd, SLOTS * self._slot_bytes, prot=mmap.PROT_READ)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()

    def get(self, place: Place) -> Pixels | None:
        """A copy of the picture there; None if a newer one has replaced it."""
        size_px = place.height_px, place.width_px
        sequence, picture = _slot(self._memory, place.sequence, self._slot_bytes, size_px)
        if sequence[0] != place.sequence:
            return None
        copy = picture.copy()
        return copy if sequence[0] == place.sequence else None


def _slot_bytes(side_px: int) -> int:
    size = _HEADER_BYTES + side_px * side_px * 3
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _slot(
    memory: mmap.mmap, number: int, slot_bytes: int, size_px: tuple[int, int]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], Pixels]:
    """Sequence number, and picture of (height, width), of the slot for `number`.

    ValueError if it is too large for a slot.
    """
    # Imported only with a picture.
    import numpy as np

    start, size = number % SLOTS * slot_bytes, size_px[0] * size_px[1] * 3
    if not 0 < size <= slot_bytes - _HEADER_BYTES:
        raise ValueError(
            f"a picture of {size_px[1]}x{size_px[0]} does not fit into {slot_bytes} bytes"
        )
    sequence = np.frombuffer(memory, np.uint64, 1, start)
    picture = np.frombuffer(memory, np.uint8, size, start + _HEADER_BYTES)
    return sequence, picture.reshape(*size_px, 3)
