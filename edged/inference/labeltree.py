"""Labels in trees: JSON, Python literals, and the items of text protocol buffers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from edged.errors import ModelError
from edged.inference import labeltable
from edged.inference.labeltable import Entry

_INDEX = r"[0-9]{1,9}"
_HOLDERS = {
    "labels", "labelnames", "labelmap", "classes", "classnames", "classlabels", "classindices",
    "classindex", "classmap", "names", "categories", "id2label", "label2id", "indextoclass",
    "idxtoclass", "classtoidx", "classtoindex", "indextolabel", "idxtolabel", "labeltoindex",
    "labeltoidx", "labeltoid", "idtolabel",
}  # fmt: skip
_DEEPEST = 4
_MOST_FIELDS = 100
_STRING = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_TOKEN = rf"""(?x)item\s*:?\s*(?P<begin>\{{)|(?P<brace>[{{}}])|\#[^\n]*|
    (?P<field>\w+)\s*:\s*(?P<value>{_STRING}(?:\s*{_STRING})*|[-+.\w]+)"""
_ESCAPE = rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"


def read(text: str, source: str) -> Any:
    """The value of JSON or a Python literal; None if `text` is neither. ModelError."""
    text = text.strip()
    if not text or (text[0], text[-1]) not in (("{", "}"), ("[", "]")):
        return None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ModelError as error:
        raise ModelError(f"labels {source}: {error}") from error
    except (ValueError, RecursionError) as error:
        reason = str(error)
    import ast

    try:
        # {0: 'tench, Tinca tinca', 1: ...} is a common form of ImageNet's labels.
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    if source.lower().endswith(".json") or text[0] == "{":
        raise ModelError(f"labels {source} is not JSON ({reason}): correct it")
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ModelError(f"{name[:40]!r} occurs twice: correct it")
        found[name] = value
    return found


def labels(tree: Any, source: str, depth: int = 0) -> list[Entry]:
    """The entries of `tree`, a list of labels or a mapping of labels and indices. ModelError.

    They may be in a field with a usual name, such as ``labels`` or ``id2label``.
    """
    if isinstance(tree, (list, tuple)) and tree:
        return _of_list(list(tree), source)
    if isinstance(tree, Mapping) and tree:
        inner = {
            name: value
            for name, value in tree.items()
            if isinstance(value, (list, tuple, Mapping)) and value
            if len(tree) == 1 or labeltable.plain_name(str(name)) in _HOLDERS
        }
        if (
            inner
            and depth < _DEEPEST
            and not all(re.fullmatch(_INDEX, str(name)) for name in inner)
        ):
            found = [labels(value, source, depth + 1) for value in inner.values()]
            if any(_classes(one, source) != _classes(found[0], source) for one in found):
                named = " and ".join(repr(str(name)[:40]) for name in inner)
                raise ModelError(f"labels {source}: {named} have other labels: keep one of them")
            return found[0]
        return _of_mapping(tree, source)
    raise ModelError(f"labels {source} is empty: give a list of labels")


def _classes(entries: list[Entry], source: str) -> tuple[str, ...]:
    return labeltable.by_index(entries, source)[0]


def _of_list(tree: list[Any], source: str) -> list[Entry]:
    if all(_is_cell(entry) for entry in tree):
        return [(f"entry {i + 1}", i, str(entry).strip()) for i, entry in enumerate(tree)]
    rows: list[labeltable.Row]
    if all(isinstance(entry, Mapping) for entry in tree):
        names = list(dict.fromkeys(name for entry in tree for name in entry))
        if len(names) > _MOST_FIELDS:
            raise ModelError(f"labels {source}: its entries have too many fields: give a list")
        names = [name for name in names if all(_is_cell(entry.get(name, "")) for entry in tree)]
        rows = [
            (f"entry {i + 1}", [str(entry.get(name, "")).strip() for name in names])
            for i, entry in enumerate(tree)
        ]
        return labeltable.choose(list(map(str, names)), rows, source)
    if all(isinstance(entry, (list, tuple)) and all(map(_is_cell, entry)) for entry in tree):
        rows = [(f"entry {i + 1}", [str(c).strip() for c in row]) for i, row in enumerate(tree)]
        return labeltable.choose([""] * len(tree[0]), rows, source)
    raise ModelError(f"labels {source}: its entries are not all labels: give a list of labels")


def _of_mapping(tree: Mapping[Any, Any], source: str) -> list[Entry]:
    entries = []
    for position, (key, value) in enumerate(tree.items(), 1):
        where = f"entry {position}"
        name = str(key).strip()
        by_key = re.fullmatch(_INDEX, name)
        if _is_cell(value) and by_key and isinstance(value, str):
            entries.append((where, int(name), value.strip()))
        elif by_key and isinstance(value, (list, tuple, Mapping)):
            entries.append((where, int(name), _label_in(value, where, source)))
        elif _is_cell(value) and not by_key and re.fullmatch(_INDEX, str(value)):
            entries.append((where, int(value), name))
        else:
            raise ModelError(
                f"labels {source}: {where} ({name[:40]!r}) is not a label with its index: "
                'give a list of labels, or {"0": "cat"}'
            )
    # {"0": "1", "1": "0"} is read by its keys, {"cat": 0, "7": "dog"} in both directions.
    if len({bool(re.fullmatch(_INDEX, str(key).strip())) for key in tree}) > 1:
        raise ModelError(f"labels {source}: some keys are indices and some are not: correct it")
    return entries


def _label_in(value: Any, where: str, source: str) -> str:
    """The label in ``["n01440764", "tench"]`` or ``{"name": "cat", "count": 3}``."""
    names = list(map(str, value)) if isinstance(value, Mapping) else [""] * len(value)
    cells = list(value.values()) if isinstance(value, Mapping) else list(value)
    kept = [i for i, cell in enumerate(cells) if isinstance(cell, str)]
    plain = [labeltable.plain_name(names[i]) for i in kept]
    found = labeltable.label_column(plain, [[cells[i].strip()] for i in kept], f"{source}: {where}")
    return str(cells[kept[found]]).strip()


def _is_cell(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def items(text: str, source: str) -> list[Entry]:
    """The entries of ``item { id: 1 name: 'cat' display_name: 'Cat' }``, as in a ``.pbtxt``.

    ModelError if an item has no index or no name.
    """
    found: list[dict[str, str]] = []
    depth = 0
    for token in re.finditer(_TOKEN, text):
        if token["begin"] and depth == 0:
            found.append({})
            depth = 1
        elif token["begin"] or token["brace"] == "{":
            depth += 1
        elif token["brace"]:
            depth -= 1
        elif token["field"] and depth == 1:
            if token["field"] in found[-1]:
                raise ModelError(
                    f"labels {source}: item {len(found)} has two fields {token['field'][:40]}: "
                    "keep one of them"
                )
            found[-1][token["field"]] = token["value"]
    if depth:
        raise ModelError(f"labels {source}: a brace is missing in item {len(found)}: correct it")
    entries = []
    for position, fields in enumerate(found, 1):
        where = f"item {position}"
        try:
            names = [_unescaped(fields.get(name, "")) for name in ("display_name", "name")]
        except (ValueError, OverflowError) as error:
            raise ModelError(
                f"labels {source}: the name in {where} is not UTF-8 text: correct it"
            ) from error
        label = names[0] or names[1]
        index = fields.get("id", fields.get("label", ""))
        if not label or not re.fullmatch(_INDEX, index):
            raise ModelError(f"labels {source}: {where} has no id or no name: give it both")
        entries.append((where, int(index), label.strip()))
    return entries


def _unescaped(strings: str) -> str:
    """The text of string literals in a row, where ``\\303\\244`` are bytes; empty if it has none.

    ValueError (OverflowError) if it is not UTF-8.
    """
    parts = [part[1:-1].encode() for part in re.findall(_STRING, strings)]
    return b"".join(re.sub(_ESCAPE, _bytes_of, part) for part in parts).decode()


def _bytes_of(escape: re.Match[bytes]) -> bytes:
    octal, byte, short, long, other = escape.groups()
    if short or long:
        return chr(int(short or long, 16)).encode()
    if octal or byte:
        return bytes([int(octal, 8) & 0xFF if octal else int(byte, 16)])
    return {b"n": b"\n", b"r": b"\r", b"t": b"\t"}.get(other, other)
