"""Decided pictures as a training set: folders per label, and a table that says where all is from.

`edged models evaluate`, `edged teach` and `models.recipe` read the folders; the table is a dataset
of its own for `edged models evaluate`, with the labels as they are and columns to slice by.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edged.errors import CommandError
from edged.files import write_atomically
from edged.messages.review import KeptPicture
from edged.printable import printable

TABLE = "pictures.csv"

COLUMNS = (
    *("file", "label", "verdict", "decided_by", "decided", "device", "number", "time"),
    *("time_synced", "model", "model_sha256", "said", "score", "next", "next_score"),
    *("doubt", "because", "known", "taught"),
)

MOST_NAME_BYTES = 180
"""Of a folder; file systems take 255."""

_UNSAFE = frozenset('/\\:%"*?<>|')
"""They lead elsewhere on one system or another, or cannot be in a name there."""


def export(place: Path, pictures: Sequence[KeptPicture], jpeg_of: Callable[[int], bytes]) -> int:
    """Write the decided ones of `pictures` to a new folder, or a ``.zip``; how many they are.

    CommandError where there is none, or `place` is taken. Nothing is left of a failed export.
    """
    decided = [one for one in pictures if one.label is not None]
    if not decided:
        raise CommandError("nothing to export: accept or correct some pictures first")
    files = _files(decided, jpeg_of)
    try:
        if place.suffix.lower() == ".zip":
            write_atomically(place, _zipped(files))
        else:
            _write_folder(place, files)
    except OSError as error:
        raise CommandError(
            f"{printable(place)}: cannot be written: {error.strerror or error}"
        ) from error
    return len(decided)


def folder_of(label: str) -> str:
    """A label as the name of a folder, here and elsewhere: what is unsafe becomes ``%2F``."""
    name = "".join(_safe(sign) for sign in label)
    if name[:1] in (".", " ", ""):
        name = f"%{ord(name[:1] or '_'):02X}{name[1:]}"
    if name[-1] in (".", " "):
        name = f"{name[:-1]}%{ord(name[-1]):02X}"
    if len(name.encode()) > MOST_NAME_BYTES:
        cut = name.encode()[: MOST_NAME_BYTES - 17].decode(errors="ignore")
        name = f"{cut}%{hashlib.sha256(label.encode()).hexdigest()[:16]}"
    return name


def _safe(sign: str) -> str:
    if sign.isprintable() and sign not in _UNSAFE:
        return sign
    return "".join(f"%{byte:02X}" for byte in sign.encode(errors="surrogatepass"))


def _files(
    decided: Sequence[KeptPicture], jpeg_of: Callable[[int], bytes]
) -> Iterator[tuple[str, bytes]]:
    """Each file's name, with ``/`` between folder and name, and its content."""
    rows = io.StringIO()
    table = csv.DictWriter(rows, COLUMNS)
    table.writeheader()
    for one in decided:
        label = one.label or ""
        device = folder_of(one.device)[:64]
        name = f"{folder_of(label)}/{device}-{one.number}-{one.time:%Y%m%dT%H%M%S}.jpg"
        yield name, jpeg_of(one.number)
        table.writerow(_row(name, label, one))
    yield TABLE, rows.getvalue().encode(errors="replace")


def _row(name: str, label: str, one: KeptPicture) -> dict[str, object]:
    best, *others = one.results
    following = others[0] if others else None
    return {
        "file": name,
        "label": label,
        "verdict": one.verdict,
        "decided_by": one.decided_by,
        "decided": one.decided.isoformat() if one.decided else "",
        "device": one.device,
        "number": one.number,
        "time": one.time.isoformat(),
        "time_synced": one.time_synced,
        "model": one.model,
        "model_sha256": one.model_sha256,
        "said": best.label,
        "score": best.score,
        "next": following.label if following else "",
        "next_score": following.score if following else "",
        "doubt": one.doubt,
        "because": one.because,
        "known": "" if one.known is None else one.known,
        "taught": "" if one.taught is None else one.taught,
    }


def _zipped(files: Iterator[tuple[str, bytes]]) -> bytes:
    data = io.BytesIO()
    # JPEGs do not become smaller.
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return data.getvalue()


def _write_folder(place: Path, files: Iterator[tuple[str, bytes]]) -> None:
    if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
        raise CommandError(f"{printable(place)}: exists already; name a new folder, or a .zip file")
    place.parent.mkdir(parents=True, exist_ok=True)
    made = place.parent / f".edged-{os.urandom(8).hex()}"
    made.mkdir()
    try:
        for name, content in files:
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_bytes(content)
        made.replace(place)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
