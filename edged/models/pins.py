"""The expected hash of a model's file: that in the catalog, else that of the file fetched first.

A directory of models keeps the latter in ``pins.json``: trust on first use, and no change later.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from edged.errors import ModelError
from edged.files import write_atomically
from edged.models import catalog

FILE: Final = "pins.json"
HashSource: TypeAlias = Literal["catalog", "pins.json"]
_CHUNK_BYTES = 1 << 20


class Pin(msgspec.Struct, frozen=True):
    """The file that was fetched first: its SHA-256, its size, and where it came from."""

    sha256: str
    bytes: int
    url: str


def read(directory: Path) -> dict[str, Pin]:
    """The pins by file name; empty if there are none. ModelError if the file cannot be read."""
    path = directory / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Pin])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{path}: {error}: repair or remove it and fetch the models again") from (
            error
        )


def add(path: Path, url: str) -> Pin:
    """Pin the present file at `path`. OSError."""
    pin = Pin(sha256(path), path.stat().st_size, url)
    pins = {**read(path.parent), path.name: pin}
    write_atomically(path.parent / FILE, msgspec.json.format(msgspec.json.encode(pins)))
    return pin


def expected(path: Path) -> tuple[str, HashSource | None]:
    """The expected SHA-256 of the model at `path`, and its source; empty if unknown."""
    entry = catalog.load().find(path.stem)
    if entry is not None and entry.sha256:
        return entry.sha256, "catalog"
    pin = read(path.parent).get(path.name)
    return (pin.sha256, FILE) if pin is not None else ("", None)


def sha256(path: Path) -> str:
    """Of the content of `path`, read in pieces. OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()
