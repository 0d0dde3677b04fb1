"""Labelled pictures to evaluate on: class folders, a ZIP of them, or a CSV table."""

from __future__ import annotations

import csv
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from edged.config.toml import cut, shown
from edged.errors import ConfigError, EdgedError, PictureError
from edged.imaging import folder
from edged.imaging.folder import UnreadableError
from edged.perception.labels import LabelIndex
from edged.printable import printable

MAX_EXAMPLES = 500_000
MAX_PICTURE_BYTES = 64 << 20
MAX_TABLE_BYTES = 256 << 20
PROBLEMS_SHOWN = 5

# NotImplementedError, for an unknown compression, is a RuntimeError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, KeyError)
_PATH_COLUMNS = ("file", "path", "filename", "file_name", "image", "picture")
_LABEL_COLUMNS = ("label", "class_name", "class", "name", "display_name", "category")
_INDEX_COLUMN = re.compile(r"(?:class_?)?index(?P<classes>[0-9]*)")


class DataError(EdgedError):
    """The labelled pictures cannot be used: report why and evaluate nothing."""

    exit_status = 65


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture. ``columns`` are the other cells of its row, by column.

    ``name`` is its path in the data, printable; ``stored`` the same path as stored.
    """

    name: str
    label: str
    columns: Mapping[str, str] = field(default_factory=dict)
    stored: str = ""


@dataclass(frozen=True)
class Dataset:
    """Examples in the order of their names (of a table: of its rows), and how to read them.

    ``read`` returns the bytes of an example's file, at most `MAX_PICTURE_BYTES`, or raises
    PictureError. ``columns`` are the columns to slice by. ``closed`` are folders and links in it
    that cannot be read, and why: their contents are unknown.
    """

    source: str
    examples: Sequence[Example]
    columns: tuple[str, ...]
    read: Callable[[Example], bytes]
    closed: Mapping[str, str] = field(default_factory=dict)

    def limited(self, count: int | None) -> Dataset:
        """At most `count` examples, evenly spread over all of them."""
        if count is None or count >= len(self.examples):
            return self
        kept = np.linspace(0, len(self.examples) - 1, count).round().astype(int)
        return self._with([self.examples[position] for position in kept])

    def every(self, step: int, start: int) -> Dataset:
        """Every `step`-th example from `start` on."""
        return self._with(self.examples[start::step])

    def without_every(self, step: int, start: int) -> Dataset:
        """The examples that `every` omits."""
        return self._with(
            [e for position, e in enumerate(self.examples) if (position - start) % step]
        )

    def _with(self, examples: Sequence[Example]) -> Dataset:
        return replace(self, examples=examples)


def open_dataset(path: Path, *, labelled: bool = True) -> Dataset:
    """The pictures in a folder or ZIP of class folders (``CLASS/NAME.jpg``) or named by a CSV.

    DataError, one line, if there are none, or the data has another form.
    """
    where = printable(path)
    if folder.is_folder(path):
        return _folder(path, labelled)
    if path.suffix.lower() == ".csv":
        return _table(path)
    if path.suffix.lower() == ".zip":
        return _archive(path, labelled)
    try:
        path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file or folder" if missing else (error.strerror or str(error)).lower()
        raise DataError(f"{where}: {reason}; give a folder, .zip or .csv of pictures") from error
    raise DataError(f"{where}: neither a folder nor a .zip or .csv file of labelled pictures")


def classes_of(dataset: Dataset, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """The class of each example among a model's `labels`, shape (examples,).

    A column ``index`` has priority, as does one that names the number of classes, such as
    ``index1001``; else `LabelIndex` looks up the label, if needed with ``_`` and ``-`` as blanks.
    DataError names labels that the model does not have, with the nearest.
    """
    if not dataset.examples:
        raise DataError(f"{dataset.source}: no labelled pictures in it")
    for column in dataset.columns:
        match = _INDEX_COLUMN.fullmatch(column.lower())
        if match and match["classes"] in ("", str(len(labels))):
            return _by_index(dataset, column, len(labels))
    index = LabelIndex(labels)
    found: dict[str, int] = {}
    problems = []
    for label in dict.fromkeys(example.label for example in dataset.examples):
        spaced = re.sub(r"[_-]+", " ", label)
        try:
            found[label] = index.find(spaced if label not in index and spaced in index else label)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        raise DataError(
            f"{dataset.source}: {'; '.join(problems[:PROBLEMS_SHOWN])}"
            + (f"; and {more} more labels" if more > 0 else "")
        )
    return np.array([found[example.label] for example in dataset.examples], np.int64)


def _by_index(dataset: Dataset, column: str, classes: int) -> npt.NDArray[np.int64]:
    indices = []
    for example in dataset.examples:
        cell = example.columns[column].strip()
        if not re.fullmatch(r"[0-9]{1,9}", cell, re.ASCII) or int(cell) >= classes:
            raise DataError(
                f"{dataset.source}: {cut(example.name)}: {column} is {shown(cell)}, "
                f"not a class from 0 to {classes - 1}"
            )
        indices.append(int(cell))
    return np.array(indices, np.int64)


def _folder(root: Path, labelled: bool) -> Dataset:
    def read(example: Example) -> bytes:
        return _read_file(root / example.stored)

    names: list[str] = []
    closed: dict[str, str] = {}
    # One more than allowed, to detect too many.
    for found in islice(folder.search(root), MAX_EXAMPLES + 1):
        if not isinstance(found, UnreadableError):
            names.append(found.relative_to(root).as_posix())
        elif found.path == root:
            raise DataError(str(found))
        else:
            closed[printable(found.path.relative_to(root))] = found.reason
    if closed and not names:
        name, reason = next(iter(closed.items()))
        raise DataError(f"{printable(root / name)}: {reason}")
    source = printable(root)
    return Dataset(source, _by_folder(source, sorted(names), labelled), (), read, closed)


def _archive(path: Path, labelled: bool) -> Dataset:
    source = printable(path)
    try:
        # Closed only when the process ends: the dataset reads from it while it is used.
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a ZIP archive, or damaged"
        raise DataError(f"{source}: {reason}; give a ZIP of class folders") from error

    def read(example: Example) -> bytes:
        where = f"{source}: {cut(example.name)}"
        try:
            with archive.open(example.stored) as file:
                return _bounded(file.read(MAX_PICTURE_BYTES + 1), where)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, KeyError) as error:
            # NotImplementedError, for a compression that is not known, is a RuntimeError.
            raise PictureError(
                where, "damaged or encrypted in the archive; pack it again"
            ) from error

    names = sorted(
        islice(
            (
                entry.filename
                for entry in archive.infolist()
                if folder.is_picture(PurePosixPath(entry.filename).name)
                and not entry.filename.startswith("__MACOSX/")
            ),
            MAX_EXAMPLES + 1,
        )
    )
    return Dataset(source, _by_folder(source, names, labelled), (), read)


def _by_folder(source: str, names: Sequence[str], labelled: bool) -> list[Example]:
    """Examples labelled by their folder, empty without one."""
    _check_count(source, len(names))
    examples = []
    for name in names:
        label = PurePosixPath(name).parent.name
        if labelled and not label:
            raise DataError(
                f"{source}: {cut(printable(name))} is in no class folder; "
                "arrange pictures as CLASS/NAME.jpg"
            )
        examples.append(Example(printable(name), label, stored=name))
    return examples


def _table(path: Path) -> Dataset:
    def read(example: Example) -> bytes:
        return _read_file(path.parent / example.stored)

    source = printable(path)
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise DataError(f"{source}: larger than {MAX_TABLE_BYTES >> 20} MiB; split it")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            examples = list(islice(_rows(source, rows, header), MAX_EXAMPLES + 1))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not CSV in UTF-8 ({error})"
        raise DataError(f"{source}: {reason}; give a table with a header") from error
    _check_count(source, len(examples))
    taken = (_column(source, header, _PATH_COLUMNS),)
    return Dataset(source, examples, tuple(c for c in header if c not in taken), read)


def _rows(source: str, rows: Iterable[list[str]], header: list[str]) -> Iterable[Example]:
    if repeated := [cell for cell in header if header.count(cell) > 1]:
        raise DataError(f"{source}: column {shown(repeated[0])} occurs twice; rename one")
    picture = _column(source, header, _PATH_COLUMNS)
    indexed = [cell for cell in header if _INDEX_COLUMN.fullmatch(cell.lower())]
    named = [cell for cell in header if cell.lower() in _LABEL_COLUMNS]
    label = indexed[0] if indexed and not named else _column(source, header, _LABEL_COLUMNS)
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{source}: row {number} has {len(row)} cells, the header {len(header)}; "
                "put cells with a comma in quotes"
            )
        cells = dict(zip(header, row, strict=True))
        name = cells.pop(picture)
        if not name or "\0" in name:
            raise DataError(f"{source}: row {number} names no picture in column {shown(picture)}")
        yield Example(printable(name), cells[label].strip(), cells, name)


def _column(source: str, header: Sequence[str], wanted: Sequence[str]) -> str:
    for name in wanted:
        for cell in header:
            if cell.lower() == name:
                return cell
    raise DataError(
        f"{source}: the header has no column named {' or '.join(wanted)}; "
        f"it has {', '.join(shown(cell) for cell in header[:12]) or 'none'}"
    )


def _check_count(source: str, count: int) -> None:
    if not count:
        raise DataError(f"{source}: no labelled pictures in it; arrange them as CLASS/NAME.jpg")
    if count > MAX_EXAMPLES:
        raise DataError(f"{source}: more than {MAX_EXAMPLES} pictures; split it")


def _read_file(path: Path) -> bytes:
    where = printable(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PictureError(where, "not a file; give a picture")
        with path.open("rb") as file:
            return _bounded(file.read(MAX_PICTURE_BYTES + 1), where)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PictureError(where, f"{reason}; give a picture file that can be read") from error


def _bounded(data: bytes, where: str) -> bytes:
    if len(data) > MAX_PICTURE_BYTES:
        raise PictureError(where, f"larger than {MAX_PICTURE_BYTES >> 20} MiB; make it smaller")
    return data
