"""What was really there, and when: a table that a person has written."""

from __future__ import annotations

import csv
import re
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from edged.config.nearest import did_you_mean, listed
from edged.errors import EdgedError
from edged.files import open_regular
from edged.printable import printable

MOST_BYTES = 16 << 20
MERGED_S = 2.0
"""Marks that are less far apart are one: nobody wants two events for them."""

_COLUMNS = ("start", "end", "label")


class MarksError(EdgedError):
    """A table of marks that cannot be used."""

    exit_status = 65


class Row(NamedTuple):
    """A line of the table: when, of which label, in which recording.

    Times are seconds from the first frame of ``file`` on, or dates; an empty ``file`` is not named.
    """

    where: str
    start: float | datetime
    end: float | datetime
    label: str
    file: str


class Mark(NamedTuple):
    """Something was there, from one moment until another, by a recording's clock."""

    start_s: float
    end_s: float


class Span(NamedTuple):
    """A recording that rows are placed in: its name, its clock, and what it covers.

    ``offset_s`` is wall-clock seconds less those of its clock.
    """

    name: str
    first_s: float
    last_s: float
    offset_s: float


def read(path: Path) -> list[Row]:
    """The rows of the table, which is CSV: start, end, label, and perhaps file. MarksError."""
    name = printable(path)
    try:
        with open_regular(path) as file:
            text = file.read(MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MarksError(f"{name}: not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise MarksError(f"{name}: {error.strerror or error}; give a table of marks") from error
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    try:
        fields = [field.strip().lower() for field in reader.fieldnames or ()]
        reader.fieldnames = fields
        missing = [column for column in _COLUMNS if column not in fields]
        if missing:
            raise MarksError(
                f"{name}:1: no column {' or '.join(missing)}; expected start,end,label"
            )
        return [_row(row, f"{name}:{reader.line_num}") for row in reader if any(row.values())]
    except csv.Error as error:
        raise MarksError(f"{name}:{reader.line_num}: {error}; expected CSV") from error


def of_rule(rows: Sequence[Row], meant: Container[str], known: Sequence[str]) -> list[Row]:
    """Those with a label that is `meant`; MarksError for one that is not `known`, case aside."""
    folded = {label.casefold() for label in known}
    for row in rows:
        if row.label.casefold() not in folded:
            raise MarksError(
                f"{row.where}: {row.label}: neither a rule nor a label of the recording"
                f"{did_you_mean(row.label, known)}"
            )
    found = [row for row in rows if row.label.casefold() in meant]
    if not found and rows:
        labels = listed(sorted({row.label for row in rows}))
        raise MarksError(f"{rows[0].where.rpartition(':')[0]}: no mark of this rule; of: {labels}")
    return found


def placed(rows: Sequence[Row], spans: Sequence[Span]) -> list[list[Mark]]:
    """The marks of each recording, in order; those close together are merged. MarksError."""
    marks: list[list[Mark]] = [[] for _ in spans]
    for row in rows:
        place, mark = _placed(row, spans)
        marks[place].append(mark)
    return [list(_merged(sorted(own))) for own in marks]


def _placed(row: Row, spans: Sequence[Span]) -> tuple[int, Mark]:
    named = [place for place, span in enumerate(spans) if row.file in ("", span.name)]
    if not named:
        raise MarksError(
            f"{row.where}: {row.file} is none of the recordings: "
            f"{listed(span.name for span in spans)}"
        )
    if isinstance(row.start, float) and len(named) > 1:
        raise MarksError(
            f"{row.where}: seconds of which recording? Add a column file, or write dates"
        )
    for place in named:
        span = spans[place]
        start_s, end_s = _by_clock(row.start, span), _by_clock(row.end, span)
        if span.first_s <= start_s and end_s <= span.last_s:
            return place, Mark(start_s, end_s)
    if len(named) > 1:
        raise MarksError(f"{row.where}: within none of the recordings")
    span = spans[named[0]]
    start_s, end_s = _by_clock(row.start, span), _by_clock(row.end, span)
    raise MarksError(
        f"{row.where}: from {start_s - span.first_s:.1f} s to {end_s - span.first_s:.1f} s of "
        f"{span.name}, which has 0 s to {span.last_s - span.first_s:.1f} s; is it of another "
        "recording?"
    )


def _by_clock(time: float | datetime, span: Span) -> float:
    if isinstance(time, float):
        return span.first_s + time
    return time.timestamp() - span.offset_s


def _merged(marks: Sequence[Mark]) -> Iterator[Mark]:
    whole: Mark | None = None
    for mark in marks:
        if whole is not None and mark.start_s - whole.end_s < MERGED_S:
            whole = Mark(whole.start_s, max(whole.end_s, mark.end_s))
            continue
        if whole is not None:
            yield whole
        whole = mark
    if whole is not None:
        yield whole


def _row(row: dict[str, str | None], where: str) -> Row:
    # What cannot be seen would reach the terminal with an error.
    cells = {column: printable((row.get(column) or "").strip()) for column in (*_COLUMNS, "file")}
    start, end = (_time(cells[column], column, where) for column in ("start", "end"))
    if isinstance(start, float) != isinstance(end, float):
        raise MarksError(f"{where}: start and end: one is in seconds, one a date; write both alike")
    if not cells["label"]:
        raise MarksError(f"{where}: no label; write the rule's name or one of its labels")
    if not end > start:  # type: ignore[operator]  # (both are of one kind)
        raise MarksError(f"{where}: it ends at {cells['end']}, which is not after its start")
    return Row(where, start, end, cells["label"], cells["file"])


def _time(text: str, column: str, where: str) -> float | datetime:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        # Python before 3.11 does not know the Z.
        return datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).astimezone()
    except (ValueError, OverflowError) as error:
        raise MarksError(
            f"{where}: {column} is {text or 'empty'}; expected seconds such as 12.5, or a date "
            "such as 2026-05-01T12:30:00"
        ) from error
