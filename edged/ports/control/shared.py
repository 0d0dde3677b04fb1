"""Pictures in shared memory: from the daemon to another process without a copy in between.

A memfd of `SLOTS` slots, one picture in each, the newest over the oldest. A slot begins with its
picture's sequence number, which is 0 while the picture is written: a reader that finds the
announced number before and after its copy has a consistent picture; a slow one finds another
number.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from edged import memory
from edged.core import Pixels

if TYPE_CHECKING:
    import numpy as np

SLOTS = 4
_HEADER_BYTES = 64


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
        size_bytes = SLOTS * self._slot_bytes
        self.fd = memory.sealed("edged-pictures", size_bytes)
        try:
            self._memory = mmap.mmap(self.fd, size_bytes)
        except OSError:
            os.close(self.fd)
            raise
        with suppress(OSError):
            memory.seal_for_readers(self.fd)

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
        self._memory = memory.mapped(fd, SLOTS * self._slot_bytes, writable=False)

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
    shared: mmap.mmap, number: int, slot_bytes: int, size_px: tuple[int, int]
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
    sequence = np.frombuffer(shared, np.uint64, 1, start)
    picture = np.frombuffer(shared, np.uint8, size, start + _HEADER_BYTES)
    return sequence, picture.reshape(*size_px, 3)
