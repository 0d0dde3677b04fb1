"""JPEG into pixels by libjpeg-turbo alone, for the frames of cameras and most files.

What it leaves to Pillow it leaves whole: `decode` answers None, and Pillow decodes or says what is
wrong. Pillow itself costs a short command more time to import than this does to decode, and copies
every picture once more.
"""

from __future__ import annotations

import struct

from edged.core import Pixels

try:
    import simplejpeg
except ImportError:
    # Without a wheel, as on 32-bit Arm, it may be absent.
    simplejpeg = None

SCALES = (8, 4, 2, 1)
"""One over these is what the decoder reduces to at no cost."""

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"

_APP1, _START_OF_SCAN = 0xE1, 0xDA
"""ISO/IEC 10918-1, table B.1."""

_COLOURS = ("Gray", "YCbCr", "RGB")

ORIENTATION = 0x0112
"""EXIF 2.32, table 4: 1 is upright, 2 to 4 are mirrored or half turned, from 5 on transposed."""

_SHORT = 3
"""The type of its value."""


def decode(data: bytes, least_px: tuple[int, int] | None, most_pixels: int) -> Pixels | None:
    """The picture upright, at the smallest of its `SCALES` that is not below `least_px`.

    `least_px` is (height, width) of the upright picture, None for the whole one. None if `data` is
    no JPEG, ends too early, is damaged, of more than `most_pixels` or in colours of printing.
    """
    # What was cut off would else be decoded as grey, without a word.
    whole = data.startswith(_START) and data[-64:].rstrip(b"\0").endswith(_END)
    if simplejpeg is None or not whole:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        if height * width > most_pixels or colours not in _COLOURS:
            return None
        turn = orientation(data)
        scale = 1
        if least_px is not None:
            least_height, least_width = least_px if turn < 5 else least_px[::-1]
            fits = min(height // least_height, width // least_width)
            scale = next((scale for scale in SCALES if fits >= scale), 1)
        pixels: Pixels = simplejpeg.decode_jpeg(
            data,
            "RGB",
            # Zero is no reduction; a number would let it take 7/8 of a tiny picture.
            min_height=-(-height // scale) if scale > 1 else 0,
            min_width=-(-width // scale) if scale > 1 else 0,
            strict=False,
        )
    # KeyError: colours that it has no name for. TypeError: a system's release before 1.7.
    except (ValueError, KeyError, TypeError):
        return None
    return upright(pixels, turn)


def orientation(data: bytes) -> int:
    """The orientation in the EXIF data of a JPEG; 1, which is upright, where there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and (marker := data[at + 1 : at + 2]):
        if marker[0] == _START_OF_SCAN:
            break
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker[0] == _APP1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _orientation_of(data[at + 10 : at + 2 + size])
        at += 2 + size
    return 1


def _orientation_of(tiff: bytes) -> int:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for number in range(count):
            entry = directory + 2 + 12 * number
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == ORIENTATION and kind == _SHORT:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """`pixels` turned and mirrored as EXIF's `orientation` (1 to 8) says; a view, at no cost."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
