"""JPEG pictures out of a stream of bytes, whatever stands between them.

Cameras that send JPEG over HTTP agree on little but the pictures: boundaries come with and without
dashes, before or after the headers, lengths are absent or wrong, lines end in LF. JPEG itself says
where a picture begins and ends, so nothing else is looked at.
"""

from __future__ import annotations

import re

MAX_BYTES = 1 << 25
"""A picture that is longer is let go: without an end it would take all memory."""

SNIFFED_BYTES = 1 << 16
"""What does not begin a picture within so many bytes is something else."""

START, END = b"\xff\xd8", b"\xff\xd9"

# The next marker that matters after coded data: neither a stuffed or filling byte nor a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")


class JpegStream:
    """Cuts out the pictures of a stream, each as soon as its last byte is there.

    ``bare`` says whether the stream began with a picture and had only that: an answer with a single
    picture, and not one of many parts.
    """

    def __init__(self) -> None:
        self.pictures = 0
        self.bare = True
        self._data = bytearray()
        # Where to look on; 0 while no picture has begun.
        self._at = 0

    @property
    def plausible(self) -> bool | None:
        """Whether this is a stream of JPEG pictures; None while that is open."""
        if self.pictures or self._at:
            return True
        if _NO_TEXT.search(self._data) or len(self._data) > SNIFFED_BYTES:
            return False
        return None

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that `data` completes."""
        self._data += data
        found = []
        while self._begin():
            end = self._end()
            if end is None:
                break
            found.append(self._cut(end))
        if len(self._data) > MAX_BYTES:
            self._data.clear()
            self._at = 0
        return found

    def _begin(self) -> bool:
        """Whether the data begins with a picture; what stands before it is dropped."""
        if self._at:
            return True
        # The first one decides what this is, so it must look like one.
        start = self._data.find(START if self.pictures else START + b"\xff")
        if start < 0:
            if self.pictures:
                # All but what may be half of a start.
                del self._data[:-1]
            return False
        if not self.pictures and _NO_TEXT.search(self._data, 0, start):
            return False
        self.bare = self.bare and not start and not self.pictures
        del self._data[:start]
        self._at = len(START)
        return True

    def _end(self) -> int | None:
        """Where the picture ends, or the next begins because this one has no end; None: not yet."""
        data = self._data
        while self._at + 2 <= len(data):
            kind = data[self._at + 1]
            if data[self._at] != 0xFF or kind in (0x00, 0x01, 0xFF) or 0xD0 <= kind <= 0xD7:
                if not self._next_marker():
                    return None
            elif kind == END[1]:
                return self._at + len(END)
            elif kind == START[1]:
                return self._at
            else:
                # A segment tells its length, and one of an application may hold a preview.
                after = self._at + 2 + int.from_bytes(data[self._at + 2 : self._at + 4], "big")
                if len(data) < max(after, self._at + 4):
                    return None
                if not 0xE0 <= kind <= 0xEF:
                    start = data.find(START + b"\xff", self._at, after + len(START))
                    if start >= 0:
                        return start
                self._at = after
        return None

    def _next_marker(self) -> bool:
        found = _MARKER.search(self._data, self._at + 1)
        # The last byte may be the first half of a marker.
        self._at = found.start() if found else max(self._at, len(self._data) - 1)
        return found is not None

    def _cut(self, end: int) -> bytes:
        picture = bytes(self._data[:end])
        del self._data[:end]
        self._at = 0
        self.pictures += 1
        return picture
