"""Decodes pictures of any kind with Pillow, without its warnings and limits."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError, _imaging

from edged.imaging import turbojpeg

if TYPE_CHECKING:
    from edged.core import Pixels

_HEADER_BYTES = 1 << 20
"""A JPEG's pixels begin before this, after its EXIF data, colour profile and preview."""

_STRIP_PIXELS = 1 << 18
"""The pixels converted at a time, so that only the result is as large as the picture."""

_LEVEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes per pixel in Pillow; 4 for all other modes."""

_RGB_BYTES = 3

_WEBP_BYTES = 12
"""Bytes per pixel in the decoder, besides Pillow's own: two canvases and a frame, each with
alpha."""

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
"""TIFF 6.0, section 8 and 19: tags, and values of the last two."""

_quiet_lock = threading.Lock()
_quiet_threads = 0
_quiet = ExitStack()


class UnknownKindError(Exception):
    """The data has none of the requested formats."""


class TooLargeError(Exception):
    """The picture would take too much memory. The text is its size, and why that is needed."""


class NoScaleError(Exception):
    """The file does not define which numbers are black and white."""


def decode(
    file: BinaryIO, least_px: tuple[int, int] | None, most_bytes: int, formats: tuple[str, ...]
) -> Pixels:
    """The picture upright, as RGB, a JPEG at the smallest size that is not below `least_px`.

    `least_px` is (height, width) of the upright picture, None for the whole one. UnknownKindError
    if it is none of `formats`, TooLargeError beyond `most_bytes`, NoScaleError for floating-point
    and 32-bit pixels; nearly any exception for damaged data.
    """
    _set_up()
    with _without_warnings():
        try:
            picture = Image.open(file, formats=formats)
        except UnidentifiedImageError as error:
            raise UnknownKindError from error
        # MPO is JPEG with more pictures after the first.
        is_jpeg = picture.format in ("JPEG", "MPO")
        width, height = picture.size
        held_bytes = 0.0
        if is_jpeg:
            held_bytes = _held_bytes(file) * width * height
            if least_px is not None:
                picture.draft(None, least_px if _orientation(picture) >= 5 else least_px[::-1])
        if picture.width * picture.height * _pixel_bytes(picture) + held_bytes > most_bytes:
            why = ""
            if held_bytes:
                why = " in a progressive JPEG, held whole,"
            elif is_jpeg:
                why = ", all of them required," if least_px is None else " at the required size"
            raise TooLargeError(f"{width}x{height} pixels{why}")
        bits = _bits(picture)
        picture.load()
        return turbojpeg.upright(_rgb(picture, bits), _orientation(picture))


def _held_bytes(file: BinaryIO) -> float:
    at = file.tell()
    file.seek(0)
    header = turbojpeg.header(file.read(_HEADER_BYTES))
    file.seek(at)
    # Two bytes per coefficient, if unknown.
    return 8.0 if header is None else header.held_bytes


def _pixel_bytes(picture: Image.Image) -> int:
    """The most bytes per pixel at a time: Pillow's own, plus the decoder's or the result."""
    beside = _RGB_BYTES
    if picture.format == "WEBP":
        beside = _WEBP_BYTES
    elif picture.format == "TIFF":
        # A strip or tile may be as large as the picture.
        beside = max(beside, -(-sum(_tag(picture, _BITS_PER_SAMPLE, 8)) // 8))
    return _LEVEL_BYTES.get(picture.mode, 4) + beside


def _tag(picture: Image.Image, tag: int, default: int) -> tuple[int, ...]:
    value = getattr(picture, "tag_v2", {}).get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _bits(picture: Image.Image) -> int:
    """How many bits a grey level of 16-bit pixels has, 8 for all other modes. NoScaleError."""
    if picture.mode == "F":
        raise NoScaleError("floating-point pixels, which have no white level")
    if not picture.mode.startswith("I"):
        return 8
    # Pillow before 11 has 16 bits of a PNG in 32.
    if picture.format == "PNG":
        return 16
    if _tag(picture, _SAMPLE_FORMAT, _UNSIGNED) != (_UNSIGNED,) or picture.mode == "I":
        raise NoScaleError("signed or 32-bit pixels, which have no white level")
    return _tag(picture, _BITS_PER_SAMPLE, 16)[0]


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(turbojpeg.ORIENTATION)
    except Exception:
        # Nearly any exception, as with pixels; but damaged EXIF data does not make the picture
        # unusable.
        return turbojpeg.UPRIGHT
    # It may also be text or a list of numbers.
    return next((known for known in turbojpeg.ORIENTATIONS if known == value), turbojpeg.UPRIGHT)


def _rgb(picture: Image.Image, bits: int) -> Pixels:
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(height, top + rows)))
        pixels[top : top + rows] = _converted(strip) if bits == 8 else _shifted(strip, bits)
    if bits > 8 and _tag(picture, _PHOTOMETRIC, 1) == (_WHITE_IS_ZERO,):
        # Pillow inverts such pixels if they have 8 bits.
        np.invert(pixels, out=pixels)
    return pixels


def _shifted(picture: Image.Image, bits: int) -> Pixels:
    level = (np.asarray(picture) >> (bits - 8)).astype(np.uint8)
    return level[..., None].repeat(3, axis=2)


def _converted(picture: Image.Image) -> Pixels:
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB"))


@contextmanager
def _without_warnings() -> Iterator[None]:
    # Warning filters belong to the process: the first thread replaces them, the last one restores
    # them.
    global _quiet_threads
    with _quiet_lock:
        if not _quiet_threads:
            _quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _quiet_threads += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if not _quiet_threads:
                _quiet.close()


@cache
def _set_up() -> None:
    # The caller has its own limit, on the decoded size.
    Image.MAX_IMAGE_PIXELS = None
    # Its errors are also raised, and its debug messages would hide ours.
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    _silence_libtiff()


def _silence_libtiff() -> None:
    """Keep libtiff from printing a line for each fault of a file.

    `TIFFSetErrorHandler(3TIFF)`: a null pointer silences it; Pillow still raises. The functions are
    looked up through Pillow's own module, as the system may have another libtiff than the one in a
    wheel. If the module hides them, libtiff prints, and nothing else changes.
    """
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        setter = getattr(library, name, None)
        if setter is not None:
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
