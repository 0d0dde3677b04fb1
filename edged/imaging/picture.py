"""Pictures in files and messages: read into RGB pixels, and written as JPEG.

Pictures come from outside and may be damaged or hostile, so any decoder error becomes a
PictureError of one line. `turbojpeg` decodes JPEG quickly; `pillow` handles the rest, and is
imported when needed.
"""

from __future__ import annotations

import io
import os
import stat
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from edged.errors import PictureError
from edged.imaging import turbojpeg
from edged.imaging.folder import KINDS
from edged.imaging.reduction import REDUCING_GAP
from edged.imaging.resample import resample
from edged.printable import printable

if TYPE_CHECKING:
    from PIL import ImageFont

    from edged.core import Pixels

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
"""Pillow's names for them. It supports more, some of which start other programs."""

MAX_DECODED_BYTES = 256 << 20
"""A picture that needs more memory for decoding, apart from its file, is refused.

That is 89 million pixels of a JPEG, which becomes RGB as it is read, 44 million of 3 bytes where
the coefficients of 4:2:0 are held too, 38 million where Pillow holds the picture as well.
"""

MAX_FILE_BYTES = 64 << 20
"""A larger file is not read into memory: Pillow reads it piece by piece."""


class TooLargeError(PictureError):
    """A picture would take too much memory; at a reduced scale it may be readable."""


def read_picture(
    path: Path, wanted_px: tuple[int, int] | None = None, most_bytes: int | None = None
) -> Pixels:
    """The picture in a file, upright, as RGB; of an animation the first frame.

    Grey, palette, 16-bit and CMYK pictures are converted; transparent parts become white. With
    `wanted_px` (height, width) a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is several
    times faster, as long as it stays at least `REDUCING_GAP` times so large. The array may be a
    turned view and read-only. PictureError if the file is not one of `KINDS`, is damaged, would
    take more than `MAX_DECODED_BYTES`, or does not define its white level.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > MAX_FILE_BYTES:
                return _decode(file, printable(path), wanted_px, most_bytes or MAX_DECODED_BYTES)
            return read_stream(file, printable(path), wanted_px, most_bytes, status.st_size)
    except OSError as error:
        raise _unreadable(printable(path), error) from error


def read_stream(
    stream: BinaryIO,
    where: str,
    wanted_px: tuple[int, int] | None = None,
    most_bytes: int | None = None,
    expected_bytes: int = 0,
) -> Pixels:
    """As `read_picture`, all that comes from a stream, `MAX_FILE_BYTES` at most.

    `expected_bytes` is how much that will be, as far as it is known.
    """
    try:
        # Python allocates all that is asked for: 64 MiB for each picture would cost every core a
        # change of the page tables.
        data = stream.read(expected_bytes + 1)
        if len(data) > expected_bytes:
            data += stream.read(MAX_FILE_BYTES + 1 - len(data))
    except OSError as error:
        raise _unreadable(where, error) from error
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(
            where, f"more than {MAX_FILE_BYTES >> 20} MiB; give a smaller picture, or a file"
        )
    return _decode_in_memory(data, where, wanted_px, most_bytes or MAX_DECODED_BYTES)


def decode_picture(data: bytes, where: str, wanted_px: tuple[int, int] | None = None) -> Pixels:
    """As `read_picture`, from memory; `where` names the sender in errors."""
    return _decode_in_memory(data, where, wanted_px, MAX_DECODED_BYTES)


def decode_jpeg(data: bytes, where: str, wanted_px: tuple[int, int] | None = None) -> Pixels:
    """As `decode_picture`, for the frames of a camera: JPEG and nothing else.

    Small losses and stray bytes of a camera are tolerated; a frame that lacks a large part is
    damaged.
    """
    return _decode_in_memory(data, where, wanted_px, MAX_DECODED_BYTES, ("JPEG",), lenient=True)


def jpeg(pixels: Pixels, quality: int, width_px: int | None = None) -> bytes:
    """`pixels` as JPEG (quality 1 to 95), reduced to `width_px` if they are wider."""
    return _encode(_reduced(pixels, width_px), quality)


def annotated_jpeg(
    pixels: Pixels, lines: Sequence[str], quality: int, width_px: int | None
) -> bytes:
    """As `jpeg`, with lines of text in a dark box in the lower left corner.

    Text that does not fit is cut: a line at the right, with an ellipsis; lines beyond half the
    height. The font that comes with Pillow has ASCII only: accents are dropped, other characters
    become ``?``.
    """
    from PIL import Image, ImageDraw

    pixels = _reduced(pixels, width_px)
    height, width, _ = pixels.shape
    size_px = max(11, height // 32)
    step_px = size_px * 4 // 3
    margin_px = step_px // 3
    font = _font(size_px)
    texts = [
        _fitting(_ascii(line), font, width - 2 * margin_px)
        for line in lines[: max(1, height // 2 // step_px)]
    ]
    if not texts:
        return _encode(pixels, quality)
    top_px = max(0, height - len(texts) * step_px - margin_px)
    right_px = round(max(map(font.getlength, texts))) + 2 * margin_px
    shaded = np.array(pixels)
    shaded[top_px:, :right_px] //= 3
    picture = Image.fromarray(shaded)
    draw = ImageDraw.Draw(picture)
    for row, text in enumerate(texts):
        place = (margin_px, top_px + margin_px // 2 + row * step_px)
        draw.text(place, text, fill="white", font=font)
    return _encode(np.asarray(picture), quality)


def _decode_in_memory(
    data: bytes,
    where: str,
    wanted_px: tuple[int, int] | None,
    most_bytes: int,
    formats: tuple[str, ...] = FORMATS,
    *,
    lenient: bool = False,
) -> Pixels:
    least_px = wanted_px and _least_px(wanted_px)
    try:
        pixels = turbojpeg.decode(data, least_px, most_bytes, lenient=lenient)
    except turbojpeg.DamagedError as error:
        raise _damaged(where, error) from error
    if pixels is not None:
        return pixels
    return _decode(io.BytesIO(data), where, wanted_px, most_bytes, formats)


def _decode(
    file: BinaryIO,
    where: str,
    wanted_px: tuple[int, int] | None,
    most_bytes: int,
    formats: tuple[str, ...] = FORMATS,
) -> Pixels:
    from edged.imaging import pillow

    try:
        return pillow.decode(file, wanted_px and _least_px(wanted_px), most_bytes, formats)
    except pillow.UnknownKindError as error:
        if not file.seek(0, io.SEEK_END):
            found = "empty"
        elif "PNG" in formats:
            found = "not a picture in a supported format"
        else:
            found = "no JPEG"
        raise PictureError(where, f"{found}; give a {KINDS} file") from error
    except pillow.TooLargeError as error:
        raise TooLargeError(
            where, f"{error} take more than {most_bytes >> 20} MiB; make it smaller"
        ) from error
    except pillow.NoScaleError as error:
        raise PictureError(where, f"{error}; save it with 8 or 16 bits a colour") from error
    except Exception as error:
        # On damaged data, Pillow's decoders raise nearly any exception, from struct.error to
        # TypeError.
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> PictureError:
    reason = printable(" ".join(str(error).split())) or type(error).__name__
    return PictureError(where, f"damaged picture ({reason}); save it again")


def _least_px(wanted_px: tuple[int, int]) -> tuple[int, int]:
    return wanted_px[0] * REDUCING_GAP, wanted_px[1] * REDUCING_GAP


def _unreadable(where: str, error: OSError) -> PictureError:
    reason = (error.strerror or str(error)).lower()
    return PictureError(where, f"{reason}; give a picture file that can be read")


def _reduced(pixels: Pixels, width_px: int | None) -> Pixels:
    height, width, _ = pixels.shape
    if width_px is None or width <= width_px:
        return pixels
    out = np.empty((max(1, round(height * width_px / width)), width_px, 3), np.uint8)
    resample(pixels, out)
    return out


def _encode(pixels: Pixels, quality: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(data, "JPEG", quality=quality)
    return data.getvalue()


@lru_cache(maxsize=4)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size_px)
    except ImportError:
        # Pillow without FreeType has one small font of fixed size.
        return ImageFont.load_default()


def _ascii(line: str) -> str:
    decomposed = unicodedata.normalize("NFKD", " ".join(line[:500].split()))
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return bare.encode("ascii", "replace").decode()


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "...") > width_px:
        text = text[:-1]
    return text + "..."
