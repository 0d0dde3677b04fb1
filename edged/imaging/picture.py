"""Pictures in files and messages: read into RGB pixels, and written as JPEG.

Pictures come from outside and may be damaged or hostile, so whatever a decoder says becomes a
PictureError of one line. JPEG goes the quick way of `turbojpeg`; Pillow takes what that leaves,
and is imported when it is needed.
"""

from __future__ import annotations

import io
import os
import threading
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging import turbojpeg
from edged.imaging.resample import REDUCING_GAP, resample

if TYPE_CHECKING:
    from PIL import Image, ImageFont

PICTURE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File names, in lower case, that are taken for pictures when a folder is searched."""

MAX_PIXELS = 89_478_485
"""Larger pictures are refused: as RGB this many take 256 MiB. Pillow warns from here on as well."""

MAX_JPEG_BYTES = 1 << 28
"""A larger file is not read whole: Pillow takes it piece by piece."""

_warnings_lock = threading.Lock()


def read_picture(path: Path, wanted_px: tuple[int, int] | None = None) -> Pixels:
    """The picture in a file, upright, as RGB; of an animation the first frame.

    Grey, palette, 16-bit and CMYK pictures are converted; what is transparent lies over white.
    With `wanted_px` (height, width) a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is
    several times faster, as long as it stays at least `REDUCING_GAP` times so large. The array may
    be a turned view and read-only. PictureError if the file is no picture, damaged or above
    `MAX_PIXELS`.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size <= MAX_JPEG_BYTES:
                return decode_picture(file.read(), str(path), wanted_px)
            return _decode(file, str(path), wanted_px)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PictureError(f"{path}: {reason}; give a picture file that can be read") from error


def decode_picture(data: bytes, where: str, wanted_px: tuple[int, int] | None = None) -> Pixels:
    """As `read_picture`, from memory; `where` names the sender in errors."""
    return _decode_in_memory(data, where, wanted_px)


def decode_jpeg(data: bytes, where: str, wanted_px: tuple[int, int] | None = None) -> Pixels:
    """As `decode_picture`, for the frames of a camera: JPEG and nothing else."""
    return _decode_in_memory(data, where, wanted_px, ("JPEG",))


def jpeg(pixels: Pixels, quality: int, width_px: int | None = None) -> bytes:
    """`pixels` as JPEG (quality 1 to 95), reduced to `width_px` where they are wider."""
    return _encode(_reduced(pixels, width_px), quality)


def annotated_jpeg(
    pixels: Pixels, lines: Sequence[str], quality: int, width_px: int | None
) -> bytes:
    """As `jpeg`, with lines of text on a dark band along the bottom.

    What does not fit is cut: a line at the right, with an ellipsis; lines beyond half the height.
    The font that comes with Pillow has ASCII only: accents are dropped, the rest becomes ``?``.
    """
    from PIL import Image, ImageDraw

    pixels = _reduced(pixels, width_px)
    height, width, _ = pixels.shape
    size_px = max(11, height // 24)
    step_px = size_px * 4 // 3
    margin_px = step_px // 3
    texts = [_ascii(line) for line in lines[: max(1, height // 2 // step_px)]]
    if not texts:
        return _encode(pixels, quality)
    band_px = min(height, len(texts) * step_px + margin_px)
    shaded = np.array(pixels)
    shaded[height - band_px :] //= 3
    picture = Image.fromarray(shaded)
    draw = ImageDraw.Draw(picture)
    font = _font(size_px)
    for row, text in enumerate(texts):
        top = height - band_px + margin_px // 2 + row * step_px
        fitting = _fitting(text, font, width - 2 * margin_px)
        draw.text((margin_px, top), fitting, fill="white", font=font)
    return _encode(np.asarray(picture), quality)


def _decode_in_memory(
    data: bytes,
    where: str,
    wanted_px: tuple[int, int] | None,
    formats: tuple[str, ...] | None = None,
) -> Pixels:
    pixels = turbojpeg.decode(data, wanted_px and _least_px(wanted_px), MAX_PIXELS)
    return _decode(io.BytesIO(data), where, wanted_px, formats) if pixels is None else pixels


def _least_px(wanted_px: tuple[int, int]) -> tuple[int, int]:
    return wanted_px[0] * REDUCING_GAP, wanted_px[1] * REDUCING_GAP


def _decode(
    file: BinaryIO,
    where: str,
    wanted_px: tuple[int, int] | None,
    formats: tuple[str, ...] | None = None,
) -> Pixels:
    from PIL import Image, UnidentifiedImageError

    try:
        with _without_warnings():
            picture = Image.open(file, formats=formats)
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
        if wanted_px and picture.format == "JPEG":
            with _without_warnings():
                transposed = picture.getexif().get(turbojpeg.ORIENTATION, 1) >= 5
            least_px = _least_px(wanted_px)
            picture.draft(None, least_px if transposed else least_px[::-1])
        picture.load()
        with _without_warnings():
            orientation = picture.getexif().get(turbojpeg.ORIENTATION, 1)
            return turbojpeg.upright(_rgb(picture), orientation)
    except UnidentifiedImageError as error:
        kind = "JPEG" if formats else "picture"
        raise PictureError(
            f"{where}: {'empty' if not file.seek(0, io.SEEK_END) else f'no {kind}'}; "
            "give a JPEG, PNG, BMP, GIF, TIFF or WebP file"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{where}: more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller"
        ) from error
    except Exception as error:
        # On damaged data Pillow's decoders raise nearly anything, from struct.error to TypeError.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{where}: damaged picture ({reason}); save it again") from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    # The filters of warnings belong to the process, so only one thread at a time may swap them;
    # decoding, which takes long, stays outside.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _rgb(picture: Image.Image) -> Pixels:
    from PIL import Image

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
