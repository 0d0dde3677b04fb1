"""Decodes JPEG with libjpeg-turbo alone, for camera frames and most files.

For anything else `decode` returns None, and Pillow decodes the picture or raises the error. Pillow
itself costs a short command more time to import than this does to decode, and copies every picture
once more.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from edged.core import Pixels


try:
    import simplejpeg
except ImportError:
    # It may be absent on platforms without a wheel, such as 32-bit Arm.
    simplejpeg = None

SCALES = (8, 4, 2, 1)
"""The decoder reduces to one over these at no cost."""

_START = b"\xff\xd8\xff"

_WARNING = re.compile("Corrupt JPEG|Premature end of JPEG|Invalid SOS|Inconsistent|Unknown Adobe")
"""The start of libjpeg's warnings (jerror.h), after which it continues to decode; it reports the
first of several."""

_EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes")
_STRAY_BYTES = 16
"""Up to this many stray bytes between two parts are a camera's mistake, more were pixels."""

_LARGE_PART = 1 / 8
"""A share of a camera's frame: if it is missing, nothing may be decided on the rest."""

_NOTHING = 128
"""The level of all colours without data: the mean, as all coefficients are zero."""

_COLUMNS = 32

_APP1, _START_OF_SCAN = 0xE1, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1}
_BARE = {0x00, 0x01, *range(0xD0, 0xDA)}
"""Markers of ISO/IEC 10918-1, table B.1: those that start a frame, those of them whose frames are
coded row by row with Huffman codes, and those that no length follows."""

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

_COLOURS = ("Gray", "YCbCr", "RGB")

ORIENTATION = 0x0112
ORIENTATIONS = range(1, 9)
UPRIGHT = 1
"""EXIF 2.32, table 4: 2 to 4 are mirrored or half turned, from 5 on transposed."""

_SHORT, _LONG = 3, 4
_COEFFICIENT_BYTES = 2

_VALUE_BYTES = {1: 1, 2: 1, _SHORT: 2, _LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""TIFF 6.0, section 2: the types of values."""


class Header(NamedTuple):
    """The header of a JPEG.

    ``orientation`` is None if only Pillow can tell: EXIF data that is damaged or unusual, or an
    orientation in XMP. ``held_bytes`` is the memory per pixel of the whole picture, at any
    reduction: none if it is coded in one scan, else its coefficients.
    """

    orientation: int | None
    held_bytes: float


class DamagedError(Exception):
    """A part of the picture is missing or wrong; the text is libjpeg's."""


def decode(
    data: bytes, least_px: tuple[int, int] | None, most_bytes: int, *, lenient: bool = False
) -> Pixels | None:
    """The picture upright, at the smallest of its `SCALES` that is not below `least_px`.

    `least_px` is (height, width) of the upright picture, None for the whole one. None if `data` is
    not a JPEG, has a damaged header, would take more than `most_bytes`, has printing colours or an
    unusual orientation. DamagedError if its pixels are damaged or incomplete; if `lenient`, as for
    a camera with occasional small losses, only if a large part is missing.
    """
    if simplejpeg is None or not data.startswith(_START):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    # KeyError: an unknown colour space. TypeError: a system library before 1.7.
    except (ValueError, KeyError, TypeError):
        return None
    head = header(data)
    if head is None:
        return None
    size_px = height, width
    if head.orientation is None or colours not in _COLOURS:
        # Pillow does not report damage.
        if _needed_bytes(head, size_px, SCALES[0]) <= most_bytes:
            colours = "RGB" if colours in _COLOURS else "CMYK"
            _decoded(data, size_px, SCALES[0], colours, lenient=lenient)
        return None
    scale = 1
    if least_px is not None:
        least_height, least_width = least_px if head.orientation < 5 else least_px[::-1]
        fits = min(height // least_height, width // least_width)
        scale = next((scale for scale in SCALES if fits >= scale), 1)
    if _needed_bytes(head, size_px, scale) > most_bytes:
        return None
    pixels = _decoded(data, size_px, scale, "RGB", lenient=lenient)
    return None if pixels is None else upright(pixels, head.orientation)


def _needed_bytes(head: Header, size_px: tuple[int, int], scale: int) -> float:
    height, width = size_px
    return 3 * -(-height // scale) * -(-width // scale) + head.held_bytes * height * width


def _decoded(
    data: bytes, size_px: tuple[int, int], scale: int, colours: str, *, lenient: bool
) -> Pixels | None:
    height, width = (-(-side // scale) for side in size_px)
    pixels = np.empty((height, width, len(colours)), np.uint8)
    try:
        simplejpeg.decode_jpeg(
            data,
            colours,
            # Zero is no reduction; a number would allow 7/8 for a tiny picture.
            min_height=height if scale > 1 else 0,
            min_width=width if scale > 1 else 0,
            # It has all pixels even if it then raises a mere warning of libjpeg.
            buffer=pixels,
            strict=True,
        )
    except (ValueError, KeyError, TypeError) as error:
        said = str(error)
        if not _WARNING.match(said):
            return None
        if _is_damage(said, pixels, len(data), lenient=lenient):
            raise DamagedError(said) from error
    return pixels


def _is_damage(warning: str, pixels: Pixels, data_bytes: int, *, lenient: bool) -> bool:
    # After the first warning there may have been worse ones.
    if _missing(pixels) >= _LARGE_PART or warning.startswith("Premature"):
        return True
    extraneous = _EXTRANEOUS.match(warning)
    if lenient:
        return extraneous is not None and int(extraneous[1]) >= _LARGE_PART * data_bytes
    if extraneous is not None:
        return int(extraneous[1]) > _STRAY_BYTES
    return warning.startswith("Corrupt")


def _missing(pixels: Pixels) -> float:
    """The share of rows without data, estimated from some columns."""
    columns = pixels[:, :: -(-pixels.shape[1] // _COLUMNS)]
    return float((columns == _NOTHING).all(axis=(1, 2)).mean())


def header(data: bytes) -> Header | None:
    """The header of a JPEG; None if it violates the standard, or does not end within `data`."""
    exif: bytes | None = None
    xmp = b""
    plain, components, coefficients = True, 0, 0.0
    sequential = False
    at = 2
    while data[at : at + 1] == b"\xff":
        # Any number of fill bytes may precede a marker.
        while data[at + 1 : at + 2] == b"\xff":
            at += 1
        marker, size = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + size]
        if not marker or marker[0] in _BARE or size < 2 or len(segment) != size - 2:
            return None
        if marker[0] == _START_OF_SCAN:
            one_scan = sequential and segment[:1] == bytes([components])
            turn = _orientation(exif, xmp) if plain else None
            return Header(turn, 0.0 if one_scan else _COEFFICIENT_BYTES * coefficients)
        if marker[0] in _FRAMES:
            sequential, components = marker[0] in _SEQUENTIAL, segment[5] if size > 7 else 0
            coefficients = _coefficients(segment[7::3])
        elif marker[0] == _APP1 and segment.startswith(_EXIF):
            plain = plain and exif is None
            exif = segment[len(_EXIF) :]
        elif marker[0] == _APP1 and segment.startswith(_XMP):
            xmp += segment
        at += 2 + size
    return None


def _coefficients(sampling: bytes) -> float:
    """For each pixel, by the components' factors: across in the high half, down in the low."""
    factors = [(factor >> 4) * (factor & 15) for factor in sampling]
    return sum(factors) / max([1, *factors])


def _orientation(exif: bytes | None, xmp: bytes) -> int | None:
    turn = 0 if exif is None else _orientation_of(exif)
    # Only without one in EXIF data that in XMP counts.
    if turn == 0:
        return None if b"tiff:Orientation" in xmp else UPRIGHT
    return turn


def _orientation_of(tiff: bytes) -> int | None:
    """0 if the directory has none, None if it is not valid EXIF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    turn = 0
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for number in range(count):
            entry = directory + 2 + 12 * number
            tag, kind, values, place = struct.unpack_from(order + "HHII", tiff, entry)
            size = values * _VALUE_BYTES.get(kind, 0)
            if kind not in _VALUE_BYTES or (size > 4 and place + size > len(tiff)):
                return None
            if tag == ORIENTATION:
                if turn or values != 1 or kind not in (_SHORT, _LONG):
                    return None
                (value,) = struct.unpack_from(order + "HI"[kind - _SHORT], tiff, entry + 8)
                turn = value if value in ORIENTATIONS else UPRIGHT
    except struct.error:
        return None
    return turn


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """A view of `pixels` turned and mirrored according to EXIF's `orientation` (1 to 8)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
