"""A journal whose last write to one of its files reached the disk only in part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.journal.made import read, reader, record, threadless


class Torn(NamedTuple):
    """What is found at a start: the content of each file by what follows the journal's name."""

    what: str
    offset: int
    files: dict[str, bytes]


class Written:
    """Two transactions, of which the second was the last write; and the write that ends a journal.

    ``sure`` are the events of the first, ``last`` those of the second.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.db"
        journal = threadless(self._path)
        reader(journal)
        self.sure = record(journal, 3)
        journal.sync()
        before = self._files()
        self.last = record(journal, 2)
        journal.sync()
        self._before, self._after = before, self._files()
        journal.close()
        self._ended = self._files()

    def _files(self) -> dict[str, bytes]:
        there = {suffix: self._path.with_name(f"{self._path.name}{suffix}") for suffix in SUFFIXES}
        return {suffix: path.read_bytes() for suffix, path in there.items() if path.exists()}

    def torn(self) -> Iterator[Torn]:
        """Each offset of each file: the rest is as before, or zeros, or missing."""
        after, old, new = self._after, self._before["-wal"], self._after["-wal"]
        for at in range(len(old), len(new)):
            yield Torn("log, cut", at, after | {"-wal": new[:at]})
            yield Torn("log, zeros", at, after | {"-wal": new[:at] + bytes(len(new) - at)})
        # At its end the log is copied into the database, in place, before it is emptied.
        old, new = after[""], self._ended[""]
        for at in range(len(new)):
            yield Torn("database", at, after | {"": new[:at] + old[at:]})
        mark = after[".mark"]
        for at in range(len(mark)):
            yield Torn("mark, cut", at, after | {".mark": mark[:at]})
            yield Torn("mark, zeros", at, after | {".mark": mark[:at] + bytes(len(mark) - at)})

    def check(self, torn: Torn) -> None:
        """A start with these files. AssertionError where it loses or repeats what it must not."""
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        for suffix, content in torn.files.items():
            self._path.with_name(f"{self._path.name}{suffix}").write_bytes(content)
        journal = threadless(self._path)
        told = read(reader(journal, "new"), after=0)
        events = [one for one in told if isinstance(one, int)]
        # A transaction is there whole, or not at all.
        expected = [self.sure + self.last]
        if torn.what.startswith("log"):
            expected.append(self.sure)
        assert events in expected, f"{events} are left"
        (new,) = record(journal)
        journal.close()
        assert new > self.last[-1], f"number {new} is used twice"


SUFFIXES = ("", "-wal", ".mark")
