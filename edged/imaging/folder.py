"""Which files of a folder are pictures."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from edged.errors import PictureError
from edged.printable import printable

KINDS = "JPEG, PNG, BMP, GIF, TIFF or WebP"
"""The supported formats, for people."""

READ_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo"),
        *(".png", ".apng", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp"),
    }
)
"""The suffixes of the `KINDS` of pictures, in lower case."""

OTHER_SUFFIXES = frozenset(
    {
        *(".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jxl", ".jxr", ".wdp"),
        *(".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jph", ".jpm", ".jpx", ".jls"),
        *(".pbm", ".pgm", ".pnm", ".ppm", ".pcx", ".tga", ".dds", ".qoi"),
        *(".exr", ".bpg", ".flif", ".psb", ".psd", ".xcf", ".kra", ".svg", ".svgz"),
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc"),
        *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl"),
        *(".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""The suffixes of other kinds of pictures. They are tried all the same: the content counts, and
unreadable ones are reported."""

_SUFFIXES = READ_SUFFIXES | OTHER_SUFFIXES


class UnreadableError(PictureError):
    """A folder or a named picture, ``path``, cannot be opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(printable(path), reason)
        self.path = path


class Listing(NamedTuple):
    """The contents of a folder, unordered: pictures, folders, and unreadable entries."""

    pictures: list[Path]
    folders: list[Path]
    unreadable: list[UnreadableError]


def is_picture(name: str) -> bool:
    """Whether a file with this name counts as a picture; hidden files do not."""
    return not name.startswith(".") and PurePath(name).suffix.lower() in _SUFFIXES


def is_folder(path: Path) -> bool:
    """Whether `path` leads to a folder; False without permission."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False


def listing(folder: Path) -> Listing:
    """The pictures and folders in `folder`, through symbolic links. OSError if it is closed."""
    found = Listing([], [], [])
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            try:
                mode = entry.stat().st_mode
            except OSError as error:
                # A broken link may have been anything, an inaccessible one may be a folder.
                if is_picture(entry.name) or isinstance(error, PermissionError):
                    found.unreadable.append(UnreadableError(path, _closed(error)))
                continue
            if stat.S_ISDIR(mode):
                found.folders.append(path)
            elif is_picture(entry.name):
                if stat.S_ISREG(mode):
                    found.pictures.append(path)
                else:
                    reason = "not a regular file; give a picture file that can be read"
                    found.unreadable.append(UnreadableError(path, reason))
    return found


def search(root: Path) -> Iterator[Path | UnreadableError]:
    """All pictures in `root` and its subfolders, unordered, and what cannot be read there.

    Symbolic links are followed, but no folder is searched twice: if several names lead to it, one
    that is not a link counts, else the first by name.
    """
    searched: set[tuple[int, int]] = set()
    folders: list[Path] = [root]
    links: list[Path] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop()
        try:
            status = folder.stat()
            identity = status.st_dev, status.st_ino
            if identity in searched:
                continue
            searched.add(identity)
            found = listing(folder)
        except OSError as error:
            yield UnreadableError(folder, _closed(error))
            continue
        yield from found.pictures
        yield from found.unreadable
        for inside in found.folders:
            (links if inside.is_symlink() else folders).append(inside)
        links.sort(reverse=True)


def no_pictures(folder: Path) -> UnreadableError:
    """The error that `folder` contains no pictures."""
    return UnreadableError(folder, f"no pictures in this folder; add {KINDS} files")


def _closed(error: OSError) -> str:
    return f"{(error.strerror or str(error)).lower()}; make it readable, or remove it"
