"""What libjpeg-turbo decodes is what Pillow decodes, to the bit; what it should not, it leaves."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging import turbojpeg
from edged.imaging.picture import MAX_DECODED_BYTES, decode_jpeg, decode_picture

pytest.importorskip("simplejpeg")


def scene(height_px: int, width_px: int) -> Pixels:
    rng = np.random.default_rng(7)
    small = rng.integers(0, 256, (9, 13, 3), np.uint8)
    return np.asarray(
        Image.fromarray(small).resize((width_px, height_px), Image.Resampling.BICUBIC)
    )


def encoded(picture: Image.Image, **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", **options)
    return data.getvalue()


JPEG = encoded(Image.fromarray(scene(301, 403)))


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    wanted=st.none() | st.tuples(st.integers(16, 200), st.integers(16, 200)),
    subsampling=st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    progressive=st.booleans(),
    mode=st.sampled_from(["RGB", "L"]),
    orientation=st.integers(0, 9),
)
def test_it_gives_the_pixels_of_pillow(
    size: tuple[int, int],
    wanted: tuple[int, int] | None,
    subsampling: str,
    progressive: bool,
    mode: str,
    orientation: int,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(
        Image.fromarray(scene(*size)).convert(mode),
        subsampling=subsampling,
        progressive=progressive,
        exif=exif,
    )
    with Image.open(io.BytesIO(data)) as picture:
        if wanted is not None:
            height, width = wanted
            picture.draft(None, (height, width) if 5 <= orientation <= 8 else (width, height))
        expected = ImageOps.exif_transpose(picture).convert("RGB")

    pixels = turbojpeg.decode(data, wanted, MAX_DECODED_BYTES)

    assert pixels is not None
    assert (pixels == np.asarray(expected)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        JPEG[:2],
        JPEG[:200],
        JPEG[:200] + b"\xff\xd9",
        encoded(Image.fromarray(scene(20, 20)).convert("CMYK")),
    ],
)
def test_what_is_no_whole_jpeg_in_colours_of_light_is_left(data: bytes) -> None:
    assert turbojpeg.decode(data, None, MAX_DECODED_BYTES) is None


def test_a_picture_of_too_many_pixels_is_left() -> None:
    assert turbojpeg.decode(JPEG, None, 3 * 301 * 403 - 1) is None


@pytest.mark.parametrize("more", [b"", b"\0" * 40], ids=["nothing", "padding"])
def test_a_picture_with_stray_bytes_or_padding_is_decoded(more: bytes) -> None:
    stray = JPEG[:-2] + b"\1\2\3" + JPEG[-2:] + more

    pixels = decode_jpeg(stray, "test")

    assert (pixels == np.asarray(Image.open(io.BytesIO(JPEG)))).all()


def noise() -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (240, 320, 3), np.uint8)


def parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Up to the middle of the pixels, up to their end, and the end."""
    middle = (data.index(b"\xff\xda") + len(data)) // 2
    return data[:middle], data[middle:-2], data[-2:]


DAMAGE = {
    "cut": lambda first, _rest, _end: first,
    "cut and closed": lambda first, _rest, end: first + end,
    "zeroed": lambda first, rest, end: first + bytes(len(rest)) + end,
    "zeroed to the end": lambda first, rest, end: first + bytes(len(rest + end)),
    "a piece lost": lambda first, rest, end: first + rest[len(rest) // 2 :] + end,
    "filled": lambda first, rest, end: first + b"\x55" * len(rest) + end,
    "with a trailer": lambda first, _rest, end: first + end + b"SEFT" * 40,
}
KINDS = {
    "noise": encoded(Image.fromarray(noise()), quality=90),
    "a photograph": JPEG,
    "progressive": encoded(Image.fromarray(noise()), progressive=True),
    "with restarts": encoded(Image.fromarray(noise()), restart_marker_rows=1),
    "optimised": encoded(Image.fromarray(noise()), optimize=True),
    "CMYK": encoded(Image.fromarray(noise()).convert("CMYK")),
    "grey": encoded(Image.fromarray(noise()).convert("L")),
    "EXIF data that only Pillow reads": encoded(Image.fromarray(noise()), exif=b"Exif\0\0II"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_which_a_part_is_missing_is_damaged(kind: str, damage: str) -> None:
    data = DAMAGE[damage](*parts(KINDS[kind]))

    with pytest.raises(PictureError, match=r"^test: damaged picture \(.*\); save it again$"):
        decode_picture(data, "test")
    with pytest.raises(PictureError, match=r"^test: damaged picture \("):
        decode_picture(data, "test", (20, 20))


@pytest.mark.parametrize("kind", ["noise", "a photograph", "with restarts"])
@pytest.mark.parametrize("damage", ["cut", "cut and closed", "zeroed", "a piece lost"])
def test_a_camera_frame_of_which_a_large_part_is_missing_is_damaged(kind: str, damage: str) -> None:
    data = DAMAGE[damage](*parts(KINDS[kind]))

    with pytest.raises(PictureError, match=r"^test: damaged picture \("):
        decode_jpeg(data, "test", (20, 20))


def test_a_camera_frame_that_lacks_a_little_is_decoded_and_a_file_is_not() -> None:
    data = KINDS["noise"][:-1000] + b"\xff\xd9"

    assert decode_jpeg(data, "test").shape == (240, 320, 3)
    with pytest.raises(PictureError, match="damaged"):
        decode_picture(data, "test")


def test_what_libjpeg_warns_of_in_a_header_is_no_damage() -> None:
    scan = JPEG.index(b"\xff\xda")
    # The last coefficient of the scan, which a sequential picture must have as 63.
    odd = JPEG[: scan + 12] + b"\x00" + JPEG[scan + 13 :]
    with pytest.raises(ValueError, match="Invalid SOS"):
        turbojpeg.simplejpeg.decode_jpeg(odd)

    assert (decode_picture(odd, "test") == decode_picture(JPEG, "test")).all()


@given(exif=st.binary(max_size=80))
def test_any_exif_data_gives_an_orientation(exif: bytes) -> None:
    segment = b"Exif\0\0" + exif
    length = (len(segment) + 2).to_bytes(2, "big")

    head = turbojpeg.header(JPEG[:2] + b"\xff\xe1" + length + segment + JPEG[2:])
    assert head is not None
    assert head.orientation in (None, *turbojpeg.ORIENTATIONS)


def test_without_the_library_pillow_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = decode_picture(JPEG, "test", (50, 50))
    monkeypatch.setattr(turbojpeg, "simplejpeg", None)

    assert turbojpeg.decode(JPEG, None, MAX_DECODED_BYTES) is None
    assert (decode_picture(JPEG, "test", (50, 50)) == quick).all()
    with pytest.raises(PictureError, match="damaged picture"):
        decode_picture(JPEG[:-500], "test")


def test_a_frame_without_components_holds_nothing() -> None:
    frame, scan = b"\xff\xc0\x00\x08\x08\x00\x10\x00\x10\x00", b"\xff\xda\x00\x02"
    head = turbojpeg.header(b"\xff\xd8" + frame + scan)
    assert head is not None
    assert head.held_bytes == 0
