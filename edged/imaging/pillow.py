"""Pictures of any kind by Pillow, which is told to be quiet and to leave judging to the caller."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError, _imaging

from edged.core import Pixels
from edged.imaging import turbojpeg

_HEADER_BYTES = 1 << 20
"""Where a JPEG's pixels begin at the latest, after its EXIF data, colour profile and preview."""

_warnings_lock = threading.Lock()


class UnknownKindError(Exception):
    """The data is nothing that Pillow was asked to try."""


class TooLargeError(Exception):
    """As it would be decoded the picture has too many pixels. The text goes on after "pixels"."""


def decode(
    file: BinaryIO, least_px: tuple[int, int] | None, most_pixels: int, formats: tuple[str, ...]
) -> Pixels:
    """The picture upright, as RGB, a JPEG at the smallest size that is not below `least_px`.

    `least_px` is (height, width) of the upright picture, None for the whole one. UnknownKindError
    if it is none of `formats`, TooLargeError beyond `most_pixels`; nearly anything where damaged.
    """
    _set_up()
    with _without_warnings():
        try:
            picture = Image.open(file, formats=formats)
        except UnidentifiedImageError as error:
            raise UnknownKindError from error
        # MPO is JPEG with more pictures after the first.
        is_jpeg = picture.format in ("JPEG", "MPO")
        if is_jpeg and least_px is not None:
            size = least_px if _orientation(picture) >= 5 else least_px[::-1]
            whole = picture.size
            picture.draft(None, size)
            if whole[0] * whole[1] > most_pixels and not _is_sequential(file):
                raise TooLargeError(" in a progressive JPEG, which is held whole")
        if picture.width * picture.height > most_pixels:
            raise TooLargeError(_why_whole(is_jpeg, least_px))
        picture.load()
        return turbojpeg.upright(_rgb(picture), _orientation(picture))


def _why_whole(is_jpeg: bool, least_px: tuple[int, int] | None) -> str:
    if not is_jpeg:
        return ""
    return ", and all of them are needed" if least_px is None else " at the size that is needed"


def _is_sequential(file: BinaryIO) -> bool:
    at = file.tell()
    file.seek(0)
    header = turbojpeg.header(file.read(_HEADER_BYTES))
    file.seek(at)
    return header is not None and header.is_sequential


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(turbojpeg.ORIENTATION)
    except Exception:
        # Nearly anything, as with pixels; but a picture with damaged EXIF data is none the worse.
        return turbojpeg.UPRIGHT
    # Text and lists of numbers are found there too.
    return next((known for known in turbojpeg.ORIENTATIONS if known == value), turbojpeg.UPRIGHT)


def _rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I"):
        grey = np.asarray(picture)
        level = (grey >> 8 if picture.mode.startswith("I;16") or grey.max() > 255 else grey).clip(
            0, 255
        )
        return np.repeat(level.astype(np.uint8)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        over = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(over, picture)
    return np.asarray(picture.convert("RGB"))


@contextmanager
def _without_warnings() -> Iterator[None]:
    # The filters of warnings belong to the process, so only one thread at a time may swap them.
    # The frames of cameras hardly ever come here, so that nobody waits.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _set_up() -> None:
    # The limit is the caller's, and is about what is decoded.
    Image.MAX_IMAGE_PIXELS = None
    # Its errors are raised as well, and its debugging notes would drown ours.
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    _silence_libtiff()


def _silence_libtiff() -> None:
    """Keep libtiff from printing a line for each thing that is wrong with a file.

    `TIFFSetErrorHandler(3TIFF)`: of a null pointer it says nothing; Pillow raises all the same. The
    functions are looked up through Pillow's own module, as the system may have another libtiff
    beside the one in a wheel. Where they are hidden in it libtiff prints, and nothing else changes.
    """
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        setter = getattr(library, name, None)
        if setter is not None:
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
