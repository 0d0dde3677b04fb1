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
from edged.imaging.picture import MAX_PIXELS, decode_picture

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


@settings(max_examples=60, deadline=None)
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

    pixels = turbojpeg.decode(data, wanted, MAX_PIXELS)

    assert pixels is not None
    assert (pixels == np.asarray(expected)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        JPEG[:2],
        JPEG[:200],
        JPEG[:-500],
        JPEG[:200] + b"\xff\xd9",
        encoded(Image.fromarray(scene(20, 20)).convert("CMYK")),
    ],
)
def test_what_is_no_whole_jpeg_in_colours_of_light_is_left(data: bytes) -> None:
    assert turbojpeg.decode(data, None, MAX_PIXELS) is None


def test_a_picture_of_too_many_pixels_is_left() -> None:
    assert turbojpeg.decode(JPEG, None, 301 * 403 - 1) is None


@pytest.mark.parametrize("more", [b"", b"\0" * 40], ids=["nothing", "padding"])
def test_a_camera_frame_with_stray_bytes_or_padding_is_decoded(more: bytes) -> None:
    stray = JPEG[:-2] + b"\1\2\3" + JPEG[-2:] + more

    pixels = turbojpeg.decode(stray, None, MAX_PIXELS)

    assert pixels is not None
    assert (pixels == np.asarray(Image.open(io.BytesIO(JPEG)))).all()


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

    assert turbojpeg.decode(JPEG, None, MAX_PIXELS) is None
    assert (decode_picture(JPEG, "test", (50, 50)) == quick).all()
    with pytest.raises(PictureError, match="damaged picture"):
        decode_picture(JPEG[:-500], "test")
