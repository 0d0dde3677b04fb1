"""Label maps: the label of each class, in the formats of people and training tools."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from edged.errors import ModelError
from edged.inference import labeltable, labeltree
from edged.inference.labeltable import Entry, by_index, indices_from
from edged.printable import printable

logger = logging.getLogger(__name__)

MAX_LABEL = 1000
"""Longest line, in characters."""

_INDEXED = re.compile(
    r"""[#(\[<{]?(?P<index>[0-9]{1,9})[)\]>}]?
    (?P<separator>\s*(?:[-=:]{1,3}>|[:=]{1,2}|[,;|\u2192])|\.\s|\s+[-\u2013\u2014~/*\u2022\xb7]{1,2}\s
    |\s|(?<=[)\]>}]))\s*(?P<label>\S.*)""",
    re.VERBOSE,
)
_STRONG = r"\s*[-=:,;|\u2192]+>?"
"""Separators that, unlike a blank, hardly follow a number that is part of a label."""
_INDEX_LAST = re.compile(
    r"(?P<label>\S(?:.*\S)?)\s*(?:[-=:]{1,3}>|[:=]{1,2}|\u2192)\s*(?P<index>[0-9]{1,9})"
)
_DECIMAL = re.compile(r"[0-9]{1,9}[,:.][0-9]+[^0-9,;|\t][^,;|\t]*")
"""``0,5 l`` and ``0:30 h``, where the number belongs to the label, but also ``0,20 km/h``."""
_SYNSET = re.compile(r"n[0-9]{8}\s+(?P<label>\S.*)", re.ASCII)
_BULLET = re.compile(r"[-*]\s+(?P<label>\S.*)")
_TEXT_PROTOCOL_BUFFER = re.compile(r"(?:\s*#[^\n]*\n)*\s*item\s*:?\s*\{")


def parse(content: bytes, source: str) -> tuple[str, ...]:
    """The labels in `content`, by class; `source` names it in errors (ModelError).

    UTF-8, in one of these forms: a label per line, perhaps with an index (``0 cat``, ``0: cat``,
    ``cat: 0``) or a WordNet number (``n01440764 tench``) that is dropped; a table with commas,
    semicolons, tabs or bars as separators (`labeltable`); JSON or a Python literal, and the items
    of a ``.pbtxt`` (`labeltree`). Indices are 0..n-1 in any order; 1..n are also accepted, with a
    warning. A plain label may begin with digits or hold commas: lines are indexed only if all are,
    and if their labels differ without the index. Text that can be read in two ways with different
    results is refused.
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
    decimal = _matches(_DECIMAL, lines)
    table = None if decimal else labeltable.of_lines(lines, source)
    if table is not None and not (len(table) == len(lines) and _all_alike(table)):
        return _ordered(table, source)
    lines = _bare(lines)
    entries = _indexed(lines, source)
    if entries is None and labeltable.is_header(lines[0][1].split()):
        # "id name" above "0 cat".
        entries = _indexed(lines[1:], source)
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
    labeltable.refuse_other_order(plain, source)
    return plain


def _indexed(lines: Sequence[tuple[int, str]], source: str) -> list[Entry] | None:
    """The lines as entries, if each has an index and the indices mean classes; else None.

    ModelError if that is ambiguous and makes a difference.
    """
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
    if _all_alike(entries):
        return None
    indices = [index for _, index, _ in entries]
    _refuse_two_numbers(lines, entries, source)
    decimal = bool(_matches(_DECIMAL, lines))
    strong = pattern is _INDEXED and all(re.match(_STRONG, m["separator"]) for m in matches)
    if strong and not decimal:
        return entries
    # Coins are "1 euro", "2 euro", "5 euro": without a 0 only exact indices count.
    classes = indices_from(indices) if len(entries) > 1 or 0 in indices else None
    if classes is None and (decimal or 0 not in indices):
        return None
    if labeltable.mostly_distinct([label for _, _, label in entries]):
        return entries
    if indices == sorted(indices):
        return None
    raise ModelError(
        f"labels {source}: it is unclear whether its numbers, such as in {lines[0][1][:40]!r}, are "
        f"indices: {labeltable.WRITE_INDEX}"
    )


def _all_alike(entries: Sequence[Entry]) -> bool:
    """Whether only the index distinguishes the labels: then it is part of them."""
    return len(entries) > 1 and len({label for _, _, label in entries}) == 1


def _refuse_two_numbers(
    lines: Sequence[tuple[int, str]], entries: Sequence[Entry], source: str
) -> None:
    """ModelError for ``2: 0``, ``0: 1``, ``1: 2``, where either number could be the index."""
    labels = [label for _, _, label in entries]
    if not all(re.fullmatch("[0-9]{1,9}", label) for label in labels):
        return
    first, second = [index for _, index, _ in entries], [int(label) for label in labels]
    if first != second and sorted(first) == sorted(second) == list(range(len(lines))):
        raise ModelError(
            f"labels {source}: both numbers in {lines[0][1][:40]!r} could be the index: "
            "give a JSON list of the labels"
        )


def _refuse_gaps(lines: Sequence[tuple[int, str]], source: str) -> None:
    """ModelError if lines begin with indices, but not all: from 0 on, or below a heading."""
    matches = [re.match(r"([0-9]{1,9})(?:\s*[:=,.)]?\s+|[:=,])\S", line) for _, line in lines]
    indexed = [(i, int(match[1])) for i, match in enumerate(matches) if match]
    others = [number for (number, _), match in zip(lines, matches, strict=True) if not match]
    own = matches[0] is not None and all(i == index for i, index in indexed)
    headed = matches[0] is None and sorted(i for _, i in indexed) == list(range(len(lines) - 1))
    if len(indexed) > 1 and others and (own or headed):
        raise ModelError(
            f"labels {source}: line {others[0]} is not an index and a label, as others are: "
            "give every line both, or no line an index"
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
        if advice := _fault(line):
            raise ModelError(f"labels {source}: line {number} is not a line of text: {advice}")
        if line := line.strip():
            lines.append((number, line))
    return lines


def _fault(line: str) -> str:
    """The remedy for a line that cannot be a label; empty if it can.

    A label appears on terminals and in messages: the only allowed invisible character is a tab as
    separator.
    """
    if len(line) > MAX_LABEL:
        return "give one label per line"
    if line.isprintable():
        return ""
    hidden = next((c for c in line if c != "\t" and printable(c) != c), "")
    return f"remove {printable(hidden)} from it" if hidden else ""


def _printable(labels: tuple[str, ...], source: str) -> tuple[str, ...]:
    for position, label in enumerate(labels):
        if advice := _fault(label) or ("" if label else "give it one"):
            raise ModelError(f"labels {source}: class {position} has no line of text: {advice}")
    return labels


def _unquoted(label: str) -> str:
    return labeltable.cells(label, ",")[0] if label.startswith('"') else label.strip()


def _ordered(entries: list[Entry], source: str) -> tuple[str, ...]:
    labels, base = by_index(entries, source)
    if base:
        logger.warning("labels %s: its indices start at 1: 1 is the first class", source)
    return labels
