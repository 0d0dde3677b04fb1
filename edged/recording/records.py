"""The format of a recording: records one after another, each with its checksum.

A file, or the stream of the control socket, begins with `MAGIC`. Each record follows as its length,
its CRC-32 and its coding (`_FRAME`), then as many bytes: a msgpack array whose first entry is the
kind of record, deflated where that is shorter. A `Header` comes first, an `End` last. Whatever
breaks off, as in a power cut, leaves whole records before it. A `Setup` has all that the frames
after it need, so a place where frames were lost is followed by another one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NoReturn, TypeAlias

import msgspec
from msgspec import Struct

from edged.config.schema import DecideConfig, RuleConfig
from edged.core import Event, Reason
from edged.errors import EdgedError
from edged.perception.state import State
from edged.printable import printable

MAGIC = b"EDGEDREC"
FORMAT = 1

RECORD_BYTES = 64 << 20
"""No record is longer, packed or not: a picture of 8K has room, and a damaged length is found."""

WORTH_DEFLATING_BYTES = 256

_FRAME = struct.Struct("<IIB")
_PLAIN, _DEFLATED = 0, 1


class RecordingError(EdgedError):
    """A recording cannot be written, read or used."""

    exit_status = 65


class Record(Struct, frozen=True, array_like=True):
    """Base of all records. A new field goes to the end and has a default."""


class Header(Record, frozen=True, tag=0):
    """What made it, and what its frames have."""

    format: int
    edged: str
    device: str
    features: bool = False
    pictures: bool = False


class Setup(Record, frozen=True, tag=1):
    """What decides on the frames that follow, and what it holds of those before.

    ``offset_s`` is wall-clock seconds less monotonic ones, ``synced`` whether the wall clock was
    known to be right. ``sha256`` is the model file's, empty where that is not known. ``lost`` is
    how many frames before this one are missing.
    """

    model: str
    sha256: str
    labels: tuple[str, ...]
    rules: tuple[RuleConfig, ...]
    decide: DecideConfig
    state: State
    offset_s: float
    synced: bool
    lost: int = 0


class Seen(Record, frozen=True, tag=2):
    """One frame: what the model said of it, and the events that it made.

    ``scores`` are float32, little-endian: those of all classes, or of ``classes`` (uint32), where
    there are any, and 0 for all others. Empty, they are those of the frame before. ``features`` are
    float32, ``jpeg`` the picture as it was classified: upright, cut and masked. ``known`` is that
    of its `Prediction`.
    """

    number: int
    captured_s: float
    scores: bytes
    classes: bytes = b""
    events: tuple[Event, ...] = ()
    features: bytes = b""
    jpeg: bytes = b""
    known: float | None = None


class Over(Record, frozen=True, tag=3):
    """Nothing is held to be true any more, though no frame says so."""

    at_s: float
    reason: Reason
    why: str
    events: tuple[Event, ...] = ()


class End(Record, frozen=True, tag=4):
    """The recording is whole: why it ended, and what it has."""

    why: str
    frames: int
    events: int
    lost: int


AnyRecord: TypeAlias = Header | Setup | Seen | Over | End

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyRecord)


def packed(record: AnyRecord, *, deflate: bool = True) -> bytes:
    """A record as it stands in a file."""
    data, coding = _encoder.encode(record), _PLAIN
    if deflate and len(data) >= WORTH_DEFLATING_BYTES:
        # JPEG does not become shorter, and nor do most scores that are not quantised.
        shorter = zlib.compress(data, 1)
        if len(shorter) < len(data):
            data, coding = shorter, _DEFLATED
    head = _FRAME.pack(len(data), zlib.crc32(data, coding), coding)
    return head + data


class Records:
    """Reads records from a stream, one after another, as long as they are sound.

    Used up, it says in ``broken`` why it ended before an `End`; None where that came. `name` is
    what messages call it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """RecordingError where the stream does not begin as a recording of this version does."""
        self.broken: str | None = "cut short"
        self.position = len(MAGIC)
        """Up to here the stream is sound, in bytes."""
        self._stream = stream
        self._name = name
        if stream.read(len(MAGIC)) != MAGIC:
            self._refuse("not a recording of edged; make one with `edged record`")
        first = self._next()
        if not isinstance(first, Header):
            self._refuse(f"its beginning is {self.broken}; record again")
        if first.format != FORMAT:
            self._refuse(
                f"a recording of format {first.format}, made by edged {printable(first.edged)}; "
                f"this edged reads format {FORMAT}: use the version that made it"
            )
        self.header: Header = first

    def __iter__(self) -> Iterator[Setup | Seen | Over | End]:
        while (record := self._next()) is not None:
            if isinstance(record, Header):
                self.broken = "damaged: it begins a second time"
                return
            yield record
            if isinstance(record, End):
                self.broken = None
                return

    def _next(self) -> AnyRecord | None:
        head = self._stream.read(_FRAME.size)
        if len(head) < _FRAME.size:
            if head:
                self.broken = "cut short within a record"
            return None
        length, checksum, coding = _FRAME.unpack(head)
        if length > RECORD_BYTES or coding not in (_PLAIN, _DEFLATED):
            self.broken = "damaged"
            return None
        data = self._stream.read(length)
        if len(data) < length:
            self.broken = "cut short within a record"
            return None
        if zlib.crc32(data, coding) != checksum:
            self.broken = "damaged"
            return None
        try:
            record: AnyRecord = _decoder.decode(_inflated(data) if coding == _DEFLATED else data)
        except (msgspec.DecodeError, UnicodeDecodeError, zlib.error, RecursionError) as error:
            # Its checksum is right: whoever wrote it is of another version, or means harm.
            self.broken = f"damaged, or of another edged ({error})"
            return None
        self.position += _FRAME.size + length
        return record

    def _refuse(self, why: str) -> NoReturn:
        raise RecordingError(f"{self._name}: {why}")


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    whole = inflate.decompress(data, RECORD_BYTES)
    if not inflate.eof:
        raise zlib.error("it is longer than any record")
    return whole
