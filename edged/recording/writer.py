"""A recording on its way to a file: whole records, and never over another file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edged.printable import printable
from edged.recording.records import MAGIC, AnyRecord, End, Over, RecordingError, Seen, Setup, packed

FLUSH_S = 1.0
"""Records wait this long to be written together; who reads the file meanwhile lacks them."""

SYNC_S = 30.0
"""A power cut takes what is newer than this: a card lives longer."""


class Writer:
    """Writes one new file. A context manager: exit leaves whole records, on the disk.

    ``frames``, ``events`` and ``lost`` count what was written, ``bytes`` how long the file is.
    """

    def __init__(
        self, path: Path, mode: int = 0o600, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """RecordingError where there is a file already, or none can be made."""
        self.path = path
        self.frames = self.events = self.lost = 0
        self.bytes = len(MAGIC)
        self._name = printable(path)
        self._clock = clock
        self._flushed_s = self._synced_s = clock()
        self._waiting = bytearray(MAGIC)
        # Bytes in the file, and those of them that end with a whole record.
        self._written = self._sound = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, mode)
        except FileExistsError as error:
            raise RecordingError(
                f"{self._name}: there is such a file already; name another, or remove it"
            ) from error
        except OSError as error:
            raise self._unwritten(error) from error

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.flush(durably=True)
        finally:
            os.close(self._file)

    def write(self, record: AnyRecord) -> None:
        """Append a record. RecordingError leaves those that are written already."""
        data = packed(record)
        self._waiting += data
        self.bytes += len(data)
        match record:
            case Seen():
                self.frames += 1
                self.events += len(record.events)
            case Over():
                self.events += len(record.events)
            case Setup():
                self.lost += record.lost
        now_s = self._clock()
        if now_s - self._flushed_s >= FLUSH_S:
            self.flush(durably=now_s - self._synced_s >= SYNC_S)

    def end(self, why: str) -> None:
        """Say that it is whole."""
        self.write(End(why, self.frames, self.events, self.lost))

    def abandon(self) -> None:
        """Leave what is written, where the disk takes no more."""
        os.close(self._file)

    def flush(self, *, durably: bool = False) -> None:
        """Write what waits. RecordingError."""
        self._flushed_s = self._clock()
        try:
            while self._waiting:
                count = os.write(self._file, self._waiting)
                del self._waiting[:count]
                self._written += count
                if not self._waiting:
                    self._sound = self._written
            if durably:
                os.fsync(self._file)
                self._synced_s = self._flushed_s
        except OSError as error:
            self._waiting.clear()
            with suppress(OSError):
                os.ftruncate(self._file, self._sound)
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> RecordingError:
        return RecordingError(f"{self._name}: cannot be written: {error.strerror or error}")
