"""Fetches a model of the catalog and its labels into a directory of models, atomically."""

from __future__ import annotations

import fcntl
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from edged.errors import ModelError
from edged.files import write_atomically
from edged.models import catalog, library, pins
from edged.models.catalog import Labels, Model
from edged.models.naming import SUFFIX
from edged.models.transfer import Progress, TransferError, download, forget

MAX_BYTES = 512 << 20
"""The largest file whose size the catalog does not know: an archive with checkpoints in it."""

MAX_MODEL_BYTES = 128 << 20
MAX_LABELS_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20


def fetch(name: str, directory: Path, origin: str, progress: Progress) -> Path:
    """Fetch the model `name` to `directory` unless it is there, with its labels next to it.

    `origin`, if given, replaces the catalog's servers: the address of a mirror, or a directory with
    the files. TransferError, with what to copy where, if a file is not available; ModelError if it
    differs from the catalog or the first fetch.
    """
    known = catalog.load()
    model = known.meant(name)
    if model is None:
        library.resolve(name)
        raise ModelError(f"{name} is not in the catalog: it cannot be fetched")
    target = directory / f"{model.name}{SUFFIX}"
    own = library.find(name, [directory])
    if own is not None and own.stem != model.name:
        raise ModelError(f"{name} is {own} here: to fetch the catalog's, use {model.name}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            # The model comes last: if it exists, so do its labels.
            _bring_labels(known.labels[model.labels], target.with_suffix(".txt"), origin, progress)
            _bring_model(model, target, origin, progress)
    except TransferError as error:
        raise TransferError(
            f"{error}; {_by_hand(model, known.labels[model.labels], target, origin)}"
        ) from error
    except OSError as error:
        raise TransferError(
            f"{directory} cannot be written ({error.strerror or error}): "
            "name another directory with --dir"
        ) from error
    return target


def _by_hand(model: Model, labels: Labels, target: Path, origin: str) -> str:
    """How to install the two files without a connection."""
    what = f"{model.member} from {model.url}" if model.member else model.url
    sha256 = f" (SHA-256 {model.sha256})" if model.sha256 else ""
    text = f"without a connection copy {what}{sha256} to {target}"
    # Lines need no connection: they exist before the model is requested.
    if labels.url is not None and not target.with_suffix(".txt").exists():
        rest = " without its first line" if labels.skip_first else ""
        text += f" and {labels.url}{rest} to {target.with_suffix('.txt')}"
    return f"{text}, or name {'another' if origin else 'a'} mirror or directory with --from"


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process at a time: several would write the same part, and lose each other's pins."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ModelError(f"another process fetches into {directory}: wait for it") from error
    finally:
        os.close(folder)


def _bring_labels(labels: Labels, target: Path, origin: str, progress: Progress) -> None:
    if target.exists():
        return
    if labels.url is None:
        write_atomically(target, "".join(f"{line}\n" for line in labels.lines).encode())
        return
    part = _part(target)
    source = _source(labels.url, origin)
    _bring(source, part, labels.bytes or MAX_LABELS_BYTES, progress)
    _check(part, labels.sha256, source)
    content = part.read_bytes()
    write_atomically(target, content.partition(b"\n")[2] if labels.skip_first else content)
    forget(part)


def _bring_model(model: Model, target: Path, origin: str, progress: Progress) -> None:
    wanted, _ = pins.expected(target)
    if target.exists() and wanted in ("", pins.sha256(target)):
        if not wanted:
            pins.add(target, str(target))
        return
    part = _part(target)
    limit = MAX_BYTES if model.member else model.bytes or MAX_MODEL_BYTES
    source = _source(model.url, origin)
    _bring(source, part, limit, progress)
    if model.member:
        unpacked = part.with_name(part.name + "-unpacked")
        try:
            _unpack(part, model.member, unpacked, source)
        finally:
            forget(part)
        part = unpacked
    _check(part, wanted, source)
    _publish(part, target)
    if not wanted:
        pins.add(target, model.url)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _source(url: str, origin: str) -> str | Path:
    """The source of the file at `url`: an address, or a path in the directory `origin`."""
    name = PurePosixPath(urlsplit(url).path).name
    if not origin:
        return url
    if origin.startswith(("http://", "https://")):
        return f"{origin.rstrip('/')}/{name}"
    return Path(origin, name)


def _bring(source: str | Path, part: Path, limit_bytes: int, progress: Progress) -> None:
    if isinstance(source, Path):
        _copy(source, part, limit_bytes, progress)
    else:
        download(source, part, limit_bytes, progress)


def _copy(source: Path, part: Path, limit_bytes: int, progress: Progress) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise TransferError(f"{source} cannot be read ({error.strerror})") from error
    with file, part.open("wb") as copy:
        _pour(file, copy, limit_bytes, str(source), progress)


def _pour(
    source: IO[bytes], target: IO[bytes], limit_bytes: int, name: str, progress: Progress
) -> None:
    have = 0
    while piece := source.read(_PIECE_BYTES):
        have += len(piece)
        if have > limit_bytes:
            raise ModelError(f"{name} has over {limit_bytes} bytes: it is not the expected file")
        target.write(piece)
        progress(have, 0)


def _check(part: Path, wanted: str, source: str | Path) -> None:
    """ModelError if the file does not have the hash `wanted`; it is then removed."""
    if wanted and (found := pins.sha256(part)) != wanted:
        forget(part)
        raise ModelError(
            f"{source}: SHA-256 is {found}, not {wanted}: the file is damaged or a different one; "
            "fetch it again, or from another source (--from)"
        )


def _unpack(archive: Path, member: str, target: Path, source: str | Path) -> None:
    """Extract the file `member`, in any folder of the archive, as `target`.

    ModelError names the archive's `source`.
    """
    try:
        with tarfile.open(archive, "r|*") as packed:
            for entry in packed:
                if entry.isreg() and PurePosixPath(entry.name).name == member:
                    content = packed.extractfile(entry)
                    if content is not None:
                        with target.open("wb") as file:
                            _pour(content, file, MAX_MODEL_BYTES, member, lambda _have, _all: None)
                        return
                if entry.offset_data > 4 * MAX_BYTES:
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ModelError(f"{source}: the archive is damaged ({error})") from error
    raise ModelError(f"{source}: the archive holds no {member}")


def _publish(part: Path, target: Path) -> None:
    """Rename the complete file; it is on the disk when this returns."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.chmod(0o644)
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
