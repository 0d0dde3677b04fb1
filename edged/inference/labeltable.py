"""Tables of labels: which column contains the labels, and which one the indices of the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from edged.errors import ModelError

Entry: TypeAlias = tuple[str, int, str]
"""Its place ("line 3"), the index, the label."""

Row: TypeAlias = tuple[str, Sequence[str]]
"""Its place, and its cells."""

_LABEL_RANKS = (
    {"displayname"},
    {
        "label", "labels", "labelname", "classlabel", "name", "names", "classname", "classnames",
        "signname", "categoryname", "speciesname", "commonname", "vernacularname", "title",
    },
    {"class", "classes", "category", "species", "sign", "breed", "scientificname", "latinname"},
)  # fmt: skip
"""Names of columns with labels, as `plain_name` makes them; of two columns the one in the earlier
set has them: a person reads the display name, and a category is wider than a name."""

_INDEX_NAMES = {
    "index", "idx", "id", "no", "nr", "num", "number", "classid", "classindex", "classidx",
    "classnumber", "labelid", "labelindex", "labelidx", "categoryid", "leafclassid",
}  # fmt: skip

_PICTURE_NAMES = {
    "file", "filename", "filepath", "path", "image", "imageid", "imagename", "imagepath", "picture",
}  # fmt: skip

_NUMBER = r"(?ai)[-+]?[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?"
_OWN_NUMBERS = (
    r"(?P<same>\D{0,20})(?P<index>\d{1,9})(?P<label>(?!\d).*)",
    r"(?P<label>.*(?<!\d))(?P<index>\d{1,9})(?P<same>\D{0,20})",
)
_KEY = r"(?a)n[0-9]{8}|/[a-z]/\w+"
"""WordNet numbers and Freebase names: for machines, not for people."""


WRITE_INDEX = (
    "write each line as index, colon and label ('0: cat'), or give a JSON list of labels if the "
    "numbers are part of them"
)


def of_lines(lines: Sequence[tuple[int, str]], source: str) -> list[Entry] | None:
    """The entries of a table; None if `lines`, numbered, not blank, are not one. ModelError."""
    single = lines[0][1]
    if single.isidentifier() and plain_name(single) in (
        "label",
        "labels",
        "labelname",
        "classname",
        "displayname",
    ):
        rows = [
            (f"line {number}", cells(line, ",") if line.startswith('"') else [line])
            for number, line in lines[1:]
        ]
        return choose([single], rows, source)
    for delimiter in "\t;|,":
        first = cells(lines[0][1], delimiter)
        header = len(first) > 1 and is_header(first)
        if not header and not all(delimiter in line for _, line in lines):
            continue
        numbered = [(number, cells(line, delimiter)) for number, line in lines]
        table: list[Row] = [(f"line {number}", row) for number, row in numbered if any(row)]
        if header:
            return choose(first, table[1:], source)
        if len({len(row) for _, row in table}) == 1 and len(table) > 1:
            # In prose, "tench, Tinca tinca", a blank follows each comma.
            prose = delimiter == "," and not any(re.search(r",(\S|$)", line) for _, line in lines)
            return _without_names(table, source, prose)
    return None


def cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line of CSV, without quotes and blanks around them."""
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    import csv

    reader = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
    return [cell.strip() for cell in next(reader, [""])]


def is_header(row: Sequence[str]) -> bool:
    """Whether `row` is a header: several cells, one of the known names, and no number."""
    names = [plain_name(cell) for cell in row]
    known = [name for name in names if name in _INDEX_NAMES or _rank(name) < len(_LABEL_RANKS)]
    if len(row) < 2 or any(re.fullmatch(_NUMBER, cell) for cell in row):
        return False
    return bool(known) and (len(known) > 1 or known[0] not in _INDEX_NAMES or len(row) == 2)


def _without_names(table: list[Row], source: str, prose: bool) -> list[Entry] | None:
    first, rest = table[0][1], table[1:]
    names = [""] * len(first)
    rows = table
    columns = range(len(first))
    if rest and any(
        _are_integers([row[1][c] for row in rest]) and not re.fullmatch(_NUMBER, first[c])
        for c in columns
    ):
        names, rows = list(first), rest
    if not prose:
        return choose(names, rows, source)
    numbers = [c for c in columns if _are_integers([row[c] for _, row in rows])]
    valid = [c for c in numbers if indices_from(_integers([row[c] for _, row in rows])) is not None]
    if len(valid) == 1 and len(first) == 2:
        return choose(names, rows, source)
    return None


def choose(names: Sequence[str], rows: Sequence[Row], source: str) -> list[Entry]:
    """The entries of `rows` under columns with these `names`, empty if there are none.

    ModelError if it is ambiguous which column has the labels or the indices.
    """
    if not rows:
        raise ModelError(f"labels {source} has a header only: give one label per line")
    width = len(names)
    for where, row in rows:
        if len(row) != width:
            raise ModelError(
                f"labels {source}: {where} has no label in a column of its own: "
                "give every row the cells of the header, in quotes where a comma is meant"
            )
    plain = [plain_name(name) for name in names]
    columns = [[row[c] for _, row in rows] for c in range(width)]
    if _PICTURE_NAMES & set(plain):
        raise ModelError(f"labels {source} is a table of pictures: give one with a line per class")
    chosen = label_column(plain, columns, source)
    indices = _index_column(plain, columns, chosen, rows, source)
    if indices is None and width > 1 and len(set(columns[chosen])) < len(rows):
        raise ModelError(
            f"labels {source}: a label occurs twice, and no column has indices: add one"
        )
    for (where, _), label in zip(rows, columns[chosen], strict=True):
        if not label:
            raise ModelError(f"labels {source}: {where} has no label: give it one")
    if indices is None:
        refuse_other_order(columns[chosen], source)
    numbers = range(len(rows)) if indices is None else _integers(columns[indices])
    places = [where for where, _ in rows]
    return list(zip(places, numbers, columns[chosen], strict=True))


def label_column(plain: Sequence[str], columns: Sequence[Sequence[str]], source: str) -> int:
    """Which of the `columns` under these `plain` names has the labels; ModelError."""
    integers = [c for c, cells in enumerate(columns) if _are_integers(cells)]
    others = [c for c, cells in enumerate(columns) if c not in integers and any(cells)]
    words = [c for c in others if not _all(_NUMBER, columns[c]) and not _all(_KEY, columns[c])]
    words = words or [c for c in others if _all(_KEY, columns[c])]
    # Speed limits, for example, are labels of digits only: then only the name decides.
    words = words or [c for c in integers if plain[c] not in _INDEX_NAMES and plain[c]]
    best = min((_rank(plain[c]) for c in words), default=0)
    left = [c for c in words if _rank(plain[c]) == best]
    if not left:
        raise ModelError(f"labels {source} has no column of labels: call one of them label")
    if any(columns[c] != columns[left[0]] for c in left):
        raise ModelError(
            f"labels {source}: {_columns(left, plain)} could both be the labels: keep one of them"
        )
    return left[0]


def _index_column(
    plain: Sequence[str],
    columns: Sequence[Sequence[str]],
    labels: int,
    rows: Sequence[Row],
    source: str,
) -> int | None:
    """The column of indices beside that of `labels`; None if the rows are in order."""
    integers = [c for c, cells in enumerate(columns) if c != labels and _are_integers(cells)]
    named = [c for c, name in enumerate(plain) if name in _INDEX_NAMES and c != labels]
    if not set(named) & set(integers):
        for c in named:
            if not _all(_KEY, columns[c]):
                where, cell = next(
                    (where, row[c]) for where, row in rows if not _are_integers([row[c]])
                )
                raise ModelError(f"labels {source}: {where}: {cell!r} is not an index: correct it")
    # "class" beside "name" may be the index too, and without such names any column of integers.
    known = [c for c in integers if c in named or _rank(plain[c]) < len(_LABEL_RANKS)]
    found = known or integers
    places = {c: indices_from(_integers(columns[c])) for c in found}
    valid = [c for c in found if places[c] is not None]
    if any(places[c] != places[valid[0]] for c in valid):
        raise ModelError(
            f"labels {source}: {_columns(valid, plain)} could both be the indices: keep one of them"
        )
    if not valid and found and not known and plain[found[0]]:
        raise ModelError(
            f"labels {source}: the numbers in {_columns(found[:1], plain)} are not the indices "
            f"0 to {len(rows) - 1}: correct or remove them"
        )
    # Wrong indices are reported with their line when the labels are sorted.
    return next(iter(valid or found), None)


def _columns(numbers: Sequence[int], plain: Sequence[str]) -> str:
    words = [plain[c][:40] or str(c + 1) for c in numbers]
    return f"column{'s' * (len(words) > 1)} {' and '.join(words)}"


def by_index(entries: Sequence[Entry], source: str) -> tuple[tuple[str, ...], int]:
    """The labels by class, and the first index, 0 or 1. ModelError."""
    count = len(entries)
    indices = [index for _, index, _ in entries]
    base = 1 if 0 not in indices and indices_from(indices) is not None else 0
    labels: dict[int, str] = {}
    for where, number, label in entries:
        index = number - base
        if index in labels:
            raise ModelError(f"labels {source}: {where} repeats index {number}: correct it")
        if not 0 <= index < count:
            raise ModelError(
                f"labels {source}: {where} has index {number}, but {count} labels have the "
                f"indices 0 to {count - 1}: give every class one label"
            )
        labels[index] = label
    return tuple(labels[index] for index in range(count)), base


def indices_from(indices: Sequence[int]) -> tuple[int, ...] | None:
    """The classes, from 0, for `indices` of 0..n-1 or 1..n; None for others."""
    base = min(indices, default=0)
    if base not in (0, 1) or sorted(indices) != list(range(base, base + len(indices))):
        return None
    return tuple(index - base for index in indices)


def mostly_distinct(labels: Sequence[str]) -> bool:
    """Whether hardly any are equal: ImageNet, with 1000 labels, has crane and maillot twice."""
    return 10 * (len(labels) - len(set(labels))) <= len(labels)


def refuse_other_order(labels: Sequence[str], source: str) -> None:
    """ModelError if numbers in `labels`, ``2_cat``, ``dog (0)``, contradict their order."""
    for pattern in _OWN_NUMBERS:
        found = []
        for seen, label in enumerate(labels):
            if match := re.fullmatch(pattern, label):
                found.append(match)
            elif seen > len(found):
                break
        indices = [int(match["index"]) for match in found]
        # One line may be a heading or the background.
        enough = len(found) == len(labels) or len(found) == len(labels) - 1 > 2
        if (
            enough
            and len(found) == len(set(indices))
            and indices != sorted(indices)
            and min(indices) <= 1
            # A few classes may be missing.
            and max(indices) - min(indices) < len(found) + len(found) // 4
            and len({match["same"] for match in found}) == 1
            and mostly_distinct([match["label"] for match in found])
        ):
            raise ModelError(
                f"labels {source}: its numbers, such as in {found[0].string[:40]!r}, are in "
                f"another order than its labels: {WRITE_INDEX}"
            )


def _are_integers(column: Sequence[str]) -> bool:
    """Also 2.0: pandas writes integers with a missing value like this."""
    return all(
        re.fullmatch(_NUMBER, cell) and float(cell).is_integer() and abs(float(cell)) < 1e9
        for cell in column
    )


def _integers(column: Sequence[str]) -> list[int]:
    return [int(float(cell)) for cell in column]


def _all(pattern: str, column: Sequence[str]) -> bool:
    return all(re.fullmatch(pattern, cell) for cell in column)


def plain_name(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _rank(plain: str) -> int:
    return next((i for i, known in enumerate(_LABEL_RANKS) if plain in known), len(_LABEL_RANKS))
