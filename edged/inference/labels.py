"""Label files: one label per class, in the forms that the training tools write."""

from __future__ import annotations

import re
from pathlib import Path

from edged.errors import ModelError
from edged.files import open_regular
from edged.inference import modelfile
from edged.inference.modelfile import ModelFile

MAX_BYTES = 4 << 20
"""Longest label file; that of ImageNet-21k has half a megabyte."""

MAX_LABEL = 1000
"""Longest line, in characters."""

_INDEXED = re.compile(r"(?P<index>[0-9]{1,9})(?P<separator>\s*[:,]|\s)\s*(?P<label>\S.*)", re.ASCII)
# A label goes to terminals and messages: no control characters but the tab that may separate it.
_NO_CONTROLS = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f]*")
_LABEL_COLUMNS = ("label", "labels", "name", "class", "class_name", "display_name")
_INDEX_COLUMNS = ("index", "id", "class_id", "class_index", "label_id", "number")


def find(file: ModelFile, given: str) -> tuple[tuple[str, ...], str]:
    """The labels and where they come from: `given`, inside of the model, or beside it.

    ModelError if there are none.
    """
    if given:
        return load(Path(given)), given
    for name in file.label_files.values():
        content = modelfile.packed(file.path, name, MAX_BYTES)
        if content is not None:
            source = f"{file.path}:{name}"
            return parse(content, source), source
    beside = file.path.with_suffix(".txt"), file.path.with_name("labels.txt")
    for path in beside:
        if path.exists():
            return load(path), str(path)
    raise ModelError(
        f"{file.path} has no labels in it, and neither {beside[0].name} nor labels.txt beside it: "
        "set model.labels"
    )


def check_count(path: Path, outputs: int, source: str, count: int) -> None:
    """ModelError if the model at `path` has not as many `outputs` as there are labels."""
    if count == outputs:
        return
    advice = "set model.labels to the list that was made for this model"
    if count == outputs - 1:
        advice = (
            f"if the model's first class is background, add it as the first line, else {advice}"
        )
    elif count == outputs + 1:
        advice = f"if the first label is background, remove its line, else {advice}"
    raise ModelError(f"{path} has {outputs} outputs, {source} has {count} labels: {advice}")


def load(path: Path) -> tuple[str, ...]:
    """The labels in the file at `path`, by class; ModelError if it cannot be read as labels."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"labels {path} cannot be read: {error.strerror}: correct model.labels"
        ) from error
    if len(content) > MAX_BYTES:
        raise ModelError(f"labels {path} has over {MAX_BYTES} bytes: give one label per line")
    return parse(content, str(path))


def parse(content: bytes, source: str) -> tuple[str, ...]:
    """The labels in `content`, by class; `source` names it in errors (ModelError).

    Four forms, UTF-8, one label per line: plain; ``0 cat``; ``0: cat``; CSV, which is ``0,cat``
    or has a header with a column of labels and perhaps one of indices. Indices are of 0..n-1, in
    any order. A plain label may begin with digits or hold commas: lines are indexed only if all
    are, and words after blanks only if their indices are exactly 0..n-1.
    """
    lines = _lines(content, source)
    if not lines:
        raise ModelError(f"labels {source} is empty: give one label per line")
    header = [cell.strip().lower() for cell in _cells(lines[0][1])]
    if any(cell in _LABEL_COLUMNS for cell in header) and (
        len(header) > 1 or header[0] in ("label", "labels")
    ):
        return _table(lines, header, source)
    found = []
    for _, line in lines:
        match = _INDEXED.fullmatch(line)
        if match is None:
            break
        found.append(match)
    if len(found) == len(lines):
        numbered = [
            (number, int(match["index"]), _unquoted(match["label"]))
            for (number, _), match in zip(lines, found, strict=True)
        ]
        separated = all(match["separator"].strip() for match in found)
        # Coins are "1 euro", "2 euro": without a colon or a comma only a 0 makes an index likely.
        if separated or any(index == 0 for _, index, _ in numbered):
            return _sorted(numbered, source)
    for expected, (number, _) in enumerate(lines, 1):
        if number != expected:
            raise ModelError(f"labels {source}: line {expected} is empty: remove it or name it")
    return tuple(line for _, line in lines)


def _lines(content: bytes, source: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"labels {source} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    lines = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        # The first question is the quicker one, and settles nearly every line.
        if len(line) > MAX_LABEL or not (line.isprintable() or _NO_CONTROLS.fullmatch(line)):
            raise ModelError(
                f"labels {source}: line {number} is not a line of text: give one label per line"
            )
        if line := line.strip():
            lines.append((number, line))
    return lines


def _cells(line: str) -> list[str]:
    if "," not in line and not line.startswith('"'):
        return [line]
    import csv

    return next(csv.reader([line], skipinitialspace=True))


def _unquoted(label: str) -> str:
    return _cells(label)[0].strip() if label.startswith('"') else label


def _table(lines: list[tuple[int, str]], header: list[str], source: str) -> tuple[str, ...]:
    # Of "display_name" and "name" the reader of a message wants what stands first in the list.
    label_column = min(i for i, cell in enumerate(header) if cell in _LABEL_COLUMNS)
    index_columns = [i for i, cell in enumerate(header) if cell in _INDEX_COLUMNS]
    numbered = []
    for row, (number, line) in enumerate(lines[1:]):
        cells = [cell.strip() for cell in _cells(line)]
        label = cells[label_column] if len(cells) == len(header) else ""
        if not label:
            raise ModelError(
                f"labels {source}: line {number} has no label in column {label_column + 1}: "
                "give every row the cells of the header, in quotes where a comma is meant"
            )
        index = cells[index_columns[0]] if index_columns else str(row)
        if not re.fullmatch(r"[0-9]{1,9}", index, re.ASCII):
            raise ModelError(
                f"labels {source}: line {number}: {index!r} is not an index: correct it"
            )
        numbered.append((number, int(index), label))
    if not numbered:
        raise ModelError(f"labels {source} has a header only: give one label per line")
    return _sorted(numbered, source)


def _sorted(numbered: list[tuple[int, int, str]], source: str) -> tuple[str, ...]:
    """Labels by index, from line number, index and label of each line."""
    labels: dict[int, str] = {}
    for number, index, label in numbered:
        if index in labels:
            raise ModelError(f"labels {source}: line {number} repeats index {index}: correct it")
        if index >= len(numbered):
            raise ModelError(
                f"labels {source}: line {number} has index {index}, but {len(numbered)} labels "
                f"have the indices 0 to {len(numbered) - 1}: correct it"
            )
        labels[index] = label
    return tuple(labels[index] for index in range(len(numbered)))
