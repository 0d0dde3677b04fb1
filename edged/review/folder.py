"""The pictures that are kept, one file each, in a folder beside the journal."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec.structs import replace

from edged import access
from edged.errors import CommandError, PortError
from edged.files import alone, like_folder, open_regular, write_atomically
from edged.review.picture import MOST_BYTES, Decision, Kept, packed, parsed
from edged.teaching.label import wrong_label

MODE = 0o750
"""Of the folder: whoever may command edged may also look."""

_NAME = re.compile(r"([1-9]\d{0,9})\.(jpg|gone)", re.ASCII)
"""A number is never used twice: the newest one leaves an empty ``.gone`` when it goes."""


class Entry(NamedTuple):
    """A picture in the folder; ``number`` is its name for people."""

    number: int
    kept: Kept
    size_bytes: int


class Verdict(NamedTuple):
    """What a person says of pictures. ``again``: also of those that were decided on before."""

    what: Literal["accept", "correct", "discard"]
    label: str
    by: str
    again: bool


class Folder:
    """The kept pictures. Any process may read; who changes something holds `locked`.

    Its methods raise PortError where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[int, tuple[tuple[int, ...], Entry | None]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the folder, which is made where there is none."""
        with self._told():
            self.path.mkdir(mode=MODE, parents=True, exist_ok=True)
            like_folder(self.path)
            with alone(self.path / ".lock"):
                yield

    def entries(self) -> list[Entry]:
        """The pictures that can be read, the oldest first."""
        return [entry for entry in self._look().values() if entry is not None]

    def damaged(self) -> list[int]:
        """The numbers of those that cannot be read."""
        return [number for number, entry in self._look().items() if entry is None]

    def entry(self, number: int) -> Entry:
        """One picture. CommandError if it is not there."""
        entry = self._look().get(number)
        if entry is None:
            raise CommandError(f"picture {number} is not kept; `edged review` lists those that are")
        return entry

    def picture(self, number: int) -> bytes:
        """A picture as JPEG, without what edged knows of it. CommandError if it is not there."""
        try:
            return parsed(self._content(number))[1]
        except ValueError as error:
            raise CommandError(f"picture {number} cannot be shown: {error}; discard it") from error

    def add(self, kept: Kept, jpeg: bytes) -> Entry:
        """Keep one more. Locked."""
        number = 1 + max((int(name[1]) for name in self._names()), default=0)
        content = packed(kept, jpeg)
        with self._told():
            self._write(number, content)
            for gone in self.path.glob("*.gone"):
                gone.unlink()
        return Entry(number, kept, len(content))

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove pictures, as far as they are there. Locked."""
        if not numbers:
            return
        newest = max((int(name[1]) for name in self._names()), default=0)
        with self._told():
            if newest in numbers:
                (self.path / f"{newest}.gone").touch(0o640)
            for number in numbers:
                with suppress(FileNotFoundError):
                    self._file(number).unlink()

    def decide(self, numbers: Sequence[int], verdict: Verdict, own: Collection[str] = ()) -> None:
        """Note what a person says of pictures, or remove those to discard. Locked.

        `own` are the labels of the model, as far as they are known. CommandError, with nothing
        changed, if one picture is not there, or was decided on otherwise before and `verdict` is
        not ``again``; or if the label cannot be one.
        """
        correct = verdict.what == "correct" and verdict.label not in own
        if correct and (wrong := wrong_label(verdict.label)):
            raise CommandError(wrong)
        if not numbers:
            raise CommandError("no picture is named; give the number of one, or several")
        damaged = self.damaged() if verdict.what == "discard" else ()
        wanted = dict.fromkeys(numbers)
        entries = [self.entry(number) for number in wanted if number not in damaged]
        decided = {entry.number: _decision(entry, verdict) for entry in entries}
        for entry in entries:
            before = entry.kept.decision
            if before and not verdict.again and not _same(before, decided[entry.number]):
                raise CommandError(
                    f"picture {entry.number} was {before.verdict} as {before.label} by {before.by} "
                    "meanwhile; nothing was changed; --again overrules that"
                )
        if verdict.what == "discard":
            self.remove(list(wanted))
            return
        for entry in entries:
            jpeg = self.picture(entry.number)
            with self._told():
                told = replace(entry.kept, decision=decided[entry.number])
                self._write(entry.number, packed(told, jpeg))

    def _write(self, number: int, content: bytes) -> None:
        path = self._file(number)
        write_atomically(path, content, 0o640)
        like_folder(path)

    def _look(self) -> dict[int, Entry | None]:
        found: dict[int, tuple[tuple[int, ...], Entry | None]] = {}
        for name in self._names():
            number = int(name[1])
            if name[2] != "jpg":
                continue
            with suppress(FileNotFoundError), self._told():
                status = self._file(number).lstat()
                stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
                known = self._seen.get(number)
                if known is None or known[0] != stamp:
                    regular = stat.S_ISREG(status.st_mode)
                    known = (stamp, self._read(number) if regular else None)
                found[number] = known
        self._seen = dict(sorted(found.items()))
        return {number: entry for number, (_, entry) in self._seen.items()}

    def _read(self, number: int) -> Entry | None:
        content = self._content(number)
        try:
            return Entry(number, parsed(content)[0], len(content))
        except ValueError:
            return None

    def _content(self, number: int) -> bytes:
        try:
            with self._told(), open_regular(self._file(number)) as file:
                return file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise CommandError(
                f"picture {number} is not kept; `edged review` lists those that are"
            ) from None

    def _names(self) -> list[re.Match[str]]:
        try:
            with self._told():
                names = [path.name for path in self.path.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [match for name in names if (match := _NAME.fullmatch(name))]

    def _file(self, number: int) -> Path:
        return self.path / f"{number}.jpg"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the disk refuses is one line; what is not there is for the caller."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise
        except PermissionError as error:
            advice = access.advice(self.path, os.R_OK | os.X_OK)
            raise PortError(f"{self.path}: not permitted; {advice}") from error
        except OSError as error:
            raise PortError(f"{self.path}: {error.strerror or error}") from error


def _decision(entry: Entry, verdict: Verdict) -> Decision | None:
    best = entry.kept.best[0][0]
    if verdict.what == "discard":
        return None
    if verdict.what == "accept" or verdict.label == best:
        return Decision("accepted", best, verdict.by, time.time())
    return Decision("corrected", verdict.label, verdict.by, time.time())


def _same(before: Decision, decided: Decision | None) -> bool:
    return decided is not None and before.label == decided.label
