"""Extracts JPEG pictures from a byte stream, whatever is between them.

Cameras that send JPEG over HTTP agree on little but the pictures: boundaries have dashes or not,
before or after the headers, lengths are absent or wrong, lines end in LF, pictures lack their end.
So a picture's own structure counts first, then boundary and length if the structure is faulty, and
the length only after a correct one.
"""

from __future__ import annotations

import re

MAX_BYTES = 1 << 25
"""A longer picture is discarded: without an end it would take all memory."""

SNIFFED_BYTES = 1 << 16
"""Data without the start of a picture or a part in this many bytes is not such a stream."""

HEAD_BYTES = 4096
"""How much before a picture is parsed as the header of its part."""

START, END = b"\xff\xd8", b"\xff\xd9"
_MARK = 0xFF
_START_OF_SCAN = 0xDA
_SCAN_BYTES = (8, 10, 12, 14)
"""ISO/IEC 10918-1, B.2.3: of one to four components."""

_PREVIEWS = b"MPF\0"
"""The segment of multi-picture files (CIPA DC-007), whose other pictures follow the main one."""

# In a part of its own a picture may lack all but its start.
_BEGIN = re.compile(rb"\xff\xd8\xff|(?<=\n)\xff\xd8")
# The next marker that matters after coded data: neither a stuffed or filling byte nor a restart.
_MARKER = re.compile(rb"\xff(?:[\x01-\xcf\xd9-\xfe]|\xd8\xff)")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PARTS = re.compile(rb"(?:^|\n)(?:--[\w'()+,./:=?-]|content-(?:type|length)[ \t]*:)", re.IGNORECASE)
_HEAD = re.compile(
    rb"(?:^|\r?\n)(?:((?:--[^\r\n]{1,200}|[!-9;-~]{1,200}))[ \t]*(\r?\n))?"
    rb"((?:[A-Za-z][\w-]{0,63}[ \t]*:[^\n]{0,400}\n)*)(?:\r?\n)+\Z"
)
_PAGE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+)?html\b",
    re.IGNORECASE | re.DOTALL,
)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)


class JpegStream:
    """Extracts the pictures of a stream, each as soon as it is known to be complete.

    ``bare`` says whether the stream began with a picture and had only that: a response with a
    single picture, not a multipart one.
    """

    def __init__(self) -> None:
        self.pictures = 0
        self.bare = True
        self._data = bytearray()
        # Where to continue the search; 0 while no picture has begun.
        self._at = 0
        self._multipart = False
        self._boundary: bytes | None = None
        # The length that the part's header gives, and whether it is used for pictures without an
        # end.
        self._length: int | None = None
        self._lengths_hold = False
        # The rest of the same part is a preview of the previous picture.
        self._may_be_preview = self._is_preview = False

    @property
    def plausible(self) -> bool | None:
        """Whether this is a stream of JPEG pictures; None while that is open."""
        if self.is_page:
            return False
        if self.pictures or self._at or self._multipart:
            return True
        if _NO_TEXT.search(self._data) or len(self._data) > SNIFFED_BYTES:
            return False
        return None

    @property
    def is_page(self) -> bool:
        """Whether it begins like a web page, which may contain what looks like parts."""
        return not self.pictures and _PAGE.match(self._data) is not None

    def feed(self, data: bytes) -> list[bytes]:
        """The pictures that `data` completes."""
        self._data += data
        found = []
        while self._begin():
            end = self._end()
            if end is None:
                break
            found += self._cut(end)
        if len(self._data) > MAX_BYTES:
            self._data.clear()
            self._at = 0
        return found

    def rest(self) -> list[bytes]:
        """The picture that the end of the stream completes, as a single one may lack its end."""
        return self._cut(len(self._data)) if self._at and self.bare else []

    def _begin(self) -> bool:
        """Whether the data begins with a picture; what precedes it is dropped."""
        if self._at:
            return True
        data = self._data
        begin = _BEGIN.search(data)
        start = begin.start() if begin else len(data)
        if not (self.pictures or self._multipart):
            # The first bytes decide what this is, so they must look like it.
            odd = _NO_TEXT.search(data, 0, start)
            self._multipart = bool(_PARTS.search(data, 0, odd.start() if odd else start))
            if not self._multipart and (odd or not begin):
                return False
        if not begin:
            del data[:-HEAD_BYTES]
            return False
        before = bytes(data[max(0, start - HEAD_BYTES) : start])
        self._is_preview = self._may_be_preview and not before.strip(b"\0")
        self.bare = self.bare and (self._is_preview or not (start or self.pictures))
        self._read_head(before)
        del data[:start]
        self._at = len(START)
        return True

    def _read_head(self, before: bytes) -> None:
        head = _HEAD.search(before)
        length = head and _LENGTH.search(head[3])
        self._length = int(length[1]) if length else None
        if head and head[1]:
            # Without dashes it may be any word, but on a line of its own.
            dashed = head[1].startswith(b"--")
            self._boundary = head[1] if dashed else b"\n" + head[1] + head[2]

    def _end(self) -> int | None:
        """Where the picture ends, by its structure, else by that of its part; None: unknown yet."""
        data = self._data
        while True:
            marker = _MARKER.search(data, self._at)
            reached = marker.start() if marker else len(data)
            if self._lengths_hold and self._length and self._length <= reached:
                return self._length
            if self._boundary and (at := data.find(self._boundary, self._at, reached)) >= 0:
                return self._line_begin(at)
            if marker is None:
                # The last bytes may be the first of a marker or a boundary.
                self._at = max(self._at, len(data) - len(self._boundary or b"") - len(START))
                return None
            self._at, kind = reached, data[reached + 1]
            if kind == START[1]:
                head = _HEAD.search(data, max(0, reached - HEAD_BYTES), reached)
                return head.start() if head else reached
            if kind == END[1]:
                return reached + len(END)
            after = self._after_segment(kind)
            if after is None:
                return None
            self._at = after

    def _line_begin(self, at: int) -> int:
        """`at`, or the start of the line break before it, which belongs to the boundary."""
        if self._data[at - 1 : at] == b"\n":
            at -= 1
        return at - (self._data[at - 1 : at] == b"\r")

    def _after_segment(self, kind: int) -> int | None:
        """Where to continue after the present marker; None: unknown yet."""
        data, inside = self._data, self._at + 2
        size = int.from_bytes(data[inside : inside + 2], "big")
        after = inside + size
        if len(data) < max(inside + 2, after + 1):
            return None
        if kind == _START_OF_SCAN:
            return after if size in _SCAN_BYTES else inside
        # A segment may contain a preview; without a marker after it, it is not a segment, or was
        # cut off.
        if size < 2 or data[after] != _MARK:
            return inside
        return inside if self._boundary and self._boundary in data[inside:after] else after

    def _cut(self, end: int) -> list[bytes]:
        picture = bytes(self._data[:end])
        del self._data[:end]
        self._at = 0
        if self._is_preview:
            return []
        self.pictures += 1
        whole = picture.endswith(END)
        self._lengths_hold = not whole and self._length == end
        self._may_be_preview = self._multipart or _PREVIEWS in picture
        return [picture if whole else picture + END]
