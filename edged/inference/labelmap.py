"""Label maps: the label of each class, in the forms that people and training tools write."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from edged.errors import ModelError
from edged.inference import labeltable, labeltree
from edged.inference.labeltable import Entry, by_index, indices_from

logger = logging.getLogger(__name__)

MAX_LABEL = 1000
"""Longest line, in characters."""

_INDEXED = re.compile(
    r"(?P<index>[0-9]{1,9})(?P<separator>\s*[:,;=|]|[.)]\s|\s+-\s|\s)\s*(?P<label>\S.*)", re.ASCII
)
_INDEX_LAST = re.compile(r"(?P<label>\S(?:.*\S)?)\s*[:=]\s*(?P<index>[0-9]{1,9})", re.ASCII)
_SYNSET = re.compile(r"n[0-9]{8}\s+(?P<label>\S.*)", re.ASCII)
_BULLET = re.compile(r"[-*]\s+(?P<label>\S.*)")
# A label goes to terminals and messages: no control characters but the tab that may separate it.
_NO_CONTROLS = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f]*")
_TEXT_PROTOCOL_BUFFER = re.compile(r"(?:\s*#[^\n]*\n)*\s*item\s*:?\s*\{")


def parse(content: bytes, source: str) -> tuple[str, ...]:
    """The labels in `content`, by class; `source` names it in errors (ModelError).

    UTF-8, in one of these forms: a label per line, perhaps with an index (``0 cat``, ``0: cat``,
    ``cat: 0``) or a WordNet number (``n01440764 tench``) that is left out; a table with commas,
    semicolons, tabs or bars in between (`labeltable`); JSON or a Python literal, and the items of
    a ``.pbtxt`` (`labeltree`). Indices are 0..n-1 in any order; 1..n are taken too, with a warning.
    A plain label may begin with digits or hold commas: lines are indexed only if all are.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"labels {source} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    if _TEXT_PROTOCOL_BUFFER.match(text):
        return _printable(_ordered(labeltree.items(text, source), source), source)
    tree = labeltree.read(text, source)
    if tree is not None:
        found = labeltree.labels(tree, source)
        return _printable(_ordered(found, source), source)
    return _of_lines(_lines(text, source), source)


def _of_lines(lines: list[tuple[int, str]], source: str) -> tuple[str, ...]:
    if not lines:
        raise ModelError(f"labels {source} is empty: give one label per line")
    table = labeltable.of_lines(lines, source)
    if table is not None:
        return _ordered(table, source)
    lines = _bare(lines)
    entries = _indexed(lines)
    if entries is None and labeltable.is_header(lines[0][1].split()):
        # "id name" above "0 cat".
        entries = _indexed(lines[1:])
    if entries is not None:
        labels = _bare([(index, label) for _, index, label in entries])
        return _ordered(
            [
                (where, index, _unquoted(label))
                for (where, _, _), (index, label) in zip(entries, labels, strict=True)
            ],
            source,
        )
    _refuse_gaps(lines, source)
    for expected, (number, _) in enumerate(lines, 1):
        if number != expected:
            raise ModelError(f"labels {source}: line {expected} is empty: remove it or name it")
    plain = tuple(line for _, line in lines)
    if all(len(line) > 2 and line[0] == line[-1] == '"' for line in plain):
        return tuple(_unquoted(line) for line in plain)
    if len(plain) == 1 and re.search(r",\S|,.*,", plain[0]):
        raise ModelError(f"labels {source} has one line only: give one label per line")
    return plain


def _indexed(lines: Sequence[tuple[int, str]]) -> list[Entry] | None:
    """The lines as entries, if each has an index and the indices mean classes; else None."""
    for pattern in (_INDEXED, _INDEX_LAST):
        matches = _matches(pattern, lines)
        if matches:
            break
    else:
        return None
    entries: list[Entry] = [
        (f"line {number}", int(match["index"]), match["label"])
        for (number, _), match in zip(lines, matches, strict=True)
    ]
    indices = [index for _, index, _ in entries]
    if pattern is _INDEXED:
        separators = {match["separator"].strip() for match in matches}
        if separators <= set(":,;=|") or (0 in indices and not separators & {".", ")", "-"}):
            return entries
    # Coins are "1 euro", "2 euro": of these only exact indices with other words count.
    distinct = len({label for _, _, label in entries}) == len(entries) > 1
    return entries if distinct and indices_from(indices) is not None else None


def _refuse_gaps(lines: Sequence[tuple[int, str]], source: str) -> None:
    """ModelError if lines begin with their own indices, but not all of them, from 0 on."""
    matches = [re.match(r"([0-9]{1,9})\s*[:,.)]?\s+\S", line, re.ASCII) for _, line in lines]
    indexed = [(i, int(match[1])) for i, match in enumerate(matches) if match]
    others = [number for (number, _), match in zip(lines, matches, strict=True) if not match]
    own = all(i == index for i, index in indexed)
    if len(indexed) > 1 and indexed[0][0] == 0 and own and others:
        raise ModelError(
            f"labels {source}: line {others[0]} is not an index and a label, as others are: "
            "give each line both, or none an index"
        )


def _matches(pattern: re.Pattern[str], lines: Sequence[tuple[int, str]]) -> list[re.Match[str]]:
    """How `pattern` fits each line; empty unless it fits all."""
    found = []
    for _, line in lines:
        match = pattern.fullmatch(line)
        if match is None:
            return []
        found.append(match)
    return found


def _bare(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines without the WordNet number or the bullet that all of them begin with."""
    matches = _matches(_SYNSET, lines) or _matches(_BULLET, lines)
    return [
        (number, match["label"]) for (number, _), match in zip(lines, matches, strict=False)
    ] or lines


def _lines(text: str, source: str) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    lines = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if not _is_text(line):
            raise ModelError(
                f"labels {source}: line {number} is not a line of text: give one label per line"
            )
        if line := line.strip():
            lines.append((number, line))
    return lines


def _is_text(line: str) -> bool:
    # The second question is the quicker one, and settles nearly every line.
    return len(line) <= MAX_LABEL and (
        line.isprintable() or _NO_CONTROLS.fullmatch(line) is not None
    )


def _printable(labels: tuple[str, ...], source: str) -> tuple[str, ...]:
    for position, label in enumerate(labels):
        if not _is_text(label) or not label:
            raise ModelError(f"labels {source}: class {position} has no line of text: correct it")
    return labels


def _unquoted(label: str) -> str:
    return labeltable.cells(label, ",")[0] if label.startswith('"') else label.strip()


def _ordered(entries: list[Entry], source: str) -> tuple[str, ...]:
    labels, base = by_index(entries, source)
    if base:
        logger.warning(
            "labels %s: its indices count from 1: 1 is taken for the first class", source
        )
    return labels
