"""Models that were chosen while edged ran: whole copies on disk, switched by one rename.

Each slot is a folder with a model, its labels and its settings, and the SHA-256 of each file. One
small file says which slot is current and which is the last good one; replacing that file is the
switch. What a crash leaves behind is no part of either, and goes at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from edged import paths
from edged.config.saved import SERVICE
from edged.config.schema import ModelConfig
from edged.errors import ModelError
from edged.files import open_regular, sync_folder, write_atomically
from edged.models.naming import model_name

FILE = "chosen.json"
SLOT = "slot.json"
PREFIX = "slot-"

MAX_BYTES = 512 << 20
"""A larger file is not a model for a small board."""

_PIECE_BYTES = 1 << 20

OF_MODEL = ("path", "labels", "locale", "mean", "std", "channels", "scores")
"""The options of ``[model]`` that describe a model; the others describe the machine."""


class Slot(Struct, frozen=True):
    """A model in a folder: ``files`` maps its files to their SHA-256, the model's own first.

    ``settings`` are options of `OF_MODEL`; their paths are names in the folder.
    """

    name: str
    source: str
    settings: dict[str, Any]
    files: dict[str, str]

    @property
    def sha256(self) -> str:
        """Of the model."""
        return self.files[self.settings["path"]]


class SetAside(Struct, frozen=True):
    """A model that is not tried again, and why."""

    name: str
    sha256: str
    why: str


class Choice(Struct, frozen=True):
    """Which slots are in use, by the names of their folders; None stands for the configuration's.

    ``instead_of`` are the configuration's options of `OF_MODEL` that ``current`` replaces.
    ``good`` ran before it. ``current`` is on ``probation`` until edged has run it for a minute;
    ``starts`` counts how often edged has taken it and neither had that minute nor stopped.
    """

    current: str | None = None
    good: str | None = None
    instead_of: dict[str, Any] | None = None
    probation: bool = False
    starts: int = 0
    set_aside: tuple[SetAside, ...] = ()


def folder(configuration: Path | None) -> Path:
    """Where the slots of a configuration file are: the daemon's own, else the service's.

    ConfigError where there is no state directory.
    """
    stem = configuration.stem if configuration else "defaults"
    name = f"model-{stem}-{paths.mark_of(configuration)}"
    own = paths.state_directory() / name
    others = (SERVICE / name, SERVICE / stem / name)
    return next((place for place in (own, *others) if os.path.lexists(place)), own)


def described(model: ModelConfig) -> dict[str, Any]:
    """The options of `OF_MODEL`."""
    return {key: getattr(model, key) for key in OF_MODEL}


def read_choice(place: Path) -> Choice:
    """What is chosen in the folder `place`; nothing where that is empty. ModelError."""
    path = place / FILE
    try:
        with open_regular(path) as file:
            return msgspec.json.decode(file.read(_PIECE_BYTES), type=Choice)
    except (FileNotFoundError, NotADirectoryError):
        return Choice()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}): remove it, and choose the model again"
        ) from error


def write_choice(place: Path, choice: Choice) -> None:
    """Make `choice` hold from now on; OSError, and then what held before still holds."""
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / FILE, msgspec.json.encode(choice) + b"\n")


def read(place: Path, name: str) -> Slot:
    """The slot of this name, whose files are what they were. ModelError where it is damaged."""
    slot = place / name
    try:
        with open_regular(slot / SLOT) as file:
            found = msgspec.json.decode(file.read(_PIECE_BYTES), type=Slot)
        for one, expected in found.files.items():
            with open_regular(slot / one) as file:
                if _sha256(file) != expected:
                    raise ModelError(f"{slot / one} is damaged: choose its model again")
        if found.settings.keys() != set(OF_MODEL) or found.settings["path"] not in found.files:
            raise ModelError(f"{slot / SLOT} is damaged: choose its model again")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{slot} is damaged ({error}): choose its model again") from error
    return found


def settings(place: Path, name: str, slot: Slot) -> dict[str, Any]:
    """The options of ``[model]`` with which this slot's model is run."""
    given = dict(slot.settings)
    given["path"] = str(place / name / given["path"])
    if given["labels"]:
        given["labels"] = str(place / name / given["labels"])
    return given


def copied(place: Path, model: ModelConfig, labels: Path | None, beside: Mapping[str, Path]) -> str:
    """Copy the model at ``model.path`` into a new slot, and return the slot's name.

    `labels` is its label file, if it has one, and `beside` are more files to be copied, by the
    names that they have there. ModelError where it cannot be copied whole; nothing is left then.
    """
    # Only a swap pays for the import.
    import tempfile

    source = Path(model.path)
    sources = {source.name: source, **beside}
    own = described(model) | {"path": source.name, "labels": ""}
    if labels is not None:
        own["labels"] = f"labels{labels.suffix.lower()}"
        sources[own["labels"]] = labels
    made: Path | None = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        files = {name: _copy(path, made / name) for name, path in sources.items()}
        slot = Slot(model_name(source), str(source), own, files)
        write_atomically(made / SLOT, msgspec.json.encode(slot) + b"\n")
        sync_folder(place)
    except BaseException as error:
        if made is not None:
            discard(place, made.name)
        if isinstance(error, OSError):
            raise ModelError(
                f"{source} cannot be copied to {place}: {error.strerror or error}: "
                "make room, or correct the permissions"
            ) from error
        raise
    return made.name


def discard(place: Path, name: str) -> None:
    """Remove a slot that is not in use."""
    import shutil

    shutil.rmtree(place / name, ignore_errors=True)


def all_slots(place: Path) -> Iterator[str]:
    """The names of all slots, whole or not."""
    try:
        yield from (path.name for path in place.glob(f"{PREFIX}*") if path.is_dir())
    except OSError:
        return


def _copy(source: Path, target: Path) -> str:
    """The SHA-256 of what was copied. OSError, ModelError where it changes meanwhile."""
    import hashlib

    digest = hashlib.sha256()
    with open_regular(source) as file, target.open("xb") as copy:
        before = os.fstat(file.fileno())
        if before.st_size > MAX_BYTES:
            raise ModelError(f"{source} has over {MAX_BYTES >> 20} MiB: give an image classifier")
        count = 0
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
            count += len(piece)
            if count > MAX_BYTES:
                break
        after = os.fstat(file.fileno())
        if (count, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ModelError(f"{source} changed while it was copied: try again when it is written")
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _sha256(file: BinaryIO) -> str:
    import hashlib

    digest = hashlib.sha256()
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()
