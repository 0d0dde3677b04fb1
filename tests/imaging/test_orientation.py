"""A JPEG is turned as Pillow turns it, whatever its EXIF data looks like and whoever decodes it."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edged.core import Pixels
from edged.imaging import turbojpeg
from edged.imaging.picture import MAX_DECODED_BYTES, decode_picture

SHORT, LONG, BYTE, ASCII = 3, 4, 1, 2
SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, 5: 8, 7: 1, 9: 4, 12: 8, 99: 1}


def plain_jpeg() -> bytes:
    """Wider than high and different in each corner, so that every turn shows."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = (220, 30, 30)
    pixels[8:, :16] = (30, 30, 220)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=95)
    return data.getvalue()


PLAIN = plain_jpeg()


def segment(marker: int, body: bytes, fill: int = 0) -> bytes:
    return b"\xff" * (1 + fill) + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def tiff(
    order: str, entries: list[tuple[int, int, int, bytes]], *, gap: int = 0, following: bool = True
) -> bytes:
    """A directory of (tag, type, count, four bytes), `gap` bytes after the header."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = magic + struct.pack(order + "I", 8 + gap) + b"\0" * gap
    data += struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        data += struct.pack(order + "HHI", tag, kind, count) + value[:4].ljust(4, b"\0")
    return data + (struct.pack(order + "I", 0) if following else b"")


def oriented(order: str, kind: int, values: list[int]) -> tuple[int, int, int, bytes]:
    code = {SHORT: "H", LONG: "I", BYTE: "B"}[kind]
    return 0x0112, kind, len(values), struct.pack(order + code * len(values), *values)


def exif(data: bytes, fill: int = 0) -> bytes:
    return segment(0xE1, b"Exif\0\0" + data, fill)


def xmp(orientation: int | None) -> bytes:
    said = "" if orientation is None else f' tiff:Orientation="{orientation}"'
    return segment(0xE1, f"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta{said}/>".encode())


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""As in Pillow's `ImageOps.exif_transpose`, which also writes the EXIF data anew, and may fail."""


def expected(data: bytes) -> Pixels:
    """What Pillow makes of it; as it lies where Pillow cannot read the EXIF data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture: Image.Image = Image.open(io.BytesIO(data), formats=["JPEG"])
        picture.load()
        try:
            turn = TURNS.get(picture.getexif().get(0x0112, 1))
        except Exception:
            turn = None
        turned = picture if turn is None else picture.transpose(turn)
        return np.asarray(turned.convert("RGB"))


@st.composite
def exif_segments(draw: st.DrawFn) -> bytes:
    order = draw(st.sampled_from("<>"))
    entries: list[tuple[int, int, int, bytes]] = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0x0100, 0x010F, 0x0111, 0x0131, 0x8769]),
                st.sampled_from(sorted(SIZES)),
                st.integers(0, 9),
                st.binary(min_size=4, max_size=4),
            ),
            max_size=3,
        )
    )
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        kind = draw(st.sampled_from([SHORT, SHORT, LONG, BYTE]))
        values = draw(st.lists(st.integers(0, 9), min_size=1, max_size=draw(st.integers(1, 3))))
        entries.insert(draw(st.integers(0, len(entries))), oriented(order, kind, values))
    data = tiff(order, entries, gap=draw(st.integers(0, 4)), following=draw(st.booleans()))
    if draw(st.sampled_from([False, False, False, True])):
        data = data[: draw(st.integers(0, len(data)))]
    if data and draw(st.sampled_from([False, False, False, True])):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(min_size=1, max_size=1)) + data[at + 1 :]
    return exif(data, draw(st.integers(0, 3)))


OTHERS = st.one_of(
    st.builds(xmp, st.none() | st.integers(0, 9)),
    st.builds(
        segment, st.sampled_from([0xE2, 0xEC, 0xFE]), st.binary(max_size=9), st.integers(0, 3)
    ),
)


@settings(max_examples=400)
@given(
    before=st.lists(OTHERS, max_size=2),
    exifs=st.lists(exif_segments(), max_size=2),
    after=st.lists(OTHERS, max_size=2),
    jfif=st.booleans(),
    trailer=st.booleans(),
)
def test_every_picture_is_turned_as_pillow_turns_it(
    before: list[bytes], exifs: list[bytes], after: list[bytes], jfif: bool, trailer: bool
) -> None:
    parts = [*before, *exifs, *after]
    # Pillow writes APP0 first; the picture goes on after it.
    start = 20 if jfif else 2
    data = PLAIN[:start] + b"".join(parts) + PLAIN[start:]
    # What comes after the end is left to Pillow alone.
    data += b"SEFT" * 40 if trailer else b""
    wanted = expected(data)

    pixels = decode_picture(data, "test")
    quick = turbojpeg.decode(data, None, MAX_DECODED_BYTES)

    assert pixels.shape == wanted.shape
    assert (pixels == wanted).all()
    if quick is not None:
        assert (quick == wanted).all()


@pytest.mark.parametrize("kind", [SHORT, LONG])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("fill", [0, 1, 5])
@pytest.mark.parametrize("orientation", range(10))
def test_what_cameras_and_phones_write_goes_the_quick_way(
    kind: int, order: str, fill: int, orientation: int
) -> None:
    pytest.importorskip("simplejpeg")
    made = exif(tiff(order, [oriented(order, kind, [orientation])]), fill)
    data = PLAIN[:2] + made + xmp(None) + PLAIN[2:]

    quick = turbojpeg.decode(data, None, MAX_DECODED_BYTES)

    assert quick is not None
    assert (quick == expected(data)).all()


@pytest.mark.parametrize(
    "parts",
    [
        [exif(b"garbage that is no TIFF")],
        [exif(b"")],
        [exif(tiff("<", [oriented("<", BYTE, [6])]))],
        [exif(tiff("<", [oriented("<", SHORT, [6, 6])]))],
        [
            exif(tiff("<", [oriented("<", SHORT, [6])])),
            exif(tiff("<", [oriented("<", SHORT, [3])])),
        ],
        [xmp(6)],
        [xmp(6), exif(tiff(">", [oriented(">", SHORT, [3])]))],
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_what_is_unusual_is_no_damage_of_the_picture(parts: list[bytes], mode: str) -> None:
    picture = Image.open(io.BytesIO(PLAIN)).convert(mode)
    saved = io.BytesIO()
    picture.save(saved, "JPEG")
    data = saved.getvalue()[:2] + b"".join(parts) + saved.getvalue()[2:]

    assert decode_picture(data, "test").shape == expected(data).shape
    assert decode_picture(data, "test", (2, 2)).ndim == 3


def test_without_the_library_the_picture_is_turned_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    data = PLAIN[:2] + exif(tiff("<", [oriented("<", LONG, [6])]), 2) + PLAIN[2:]
    quick = decode_picture(data, "test")
    simplejpeg: Any = None
    monkeypatch.setattr(turbojpeg, "simplejpeg", simplejpeg)

    assert quick.shape == (32, 16, 3)
    assert (decode_picture(data, "test") == quick).all()
