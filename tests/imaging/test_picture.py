"""Any picture file becomes upright RGB pixels or one clear error; pixels become JPEG."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont, ImageOps

from edged.core import Pixels
from edged.errors import PictureError
from edged.imaging import picture as module
from edged.imaging.folder import READ_SUFFIXES
from edged.imaging.picture import (
    annotated_jpeg,
    decode_jpeg,
    decode_picture,
    jpeg,
    read_picture,
)


def scene(height_px: int = 48, width_px: int = 64) -> Pixels:
    """Red to the right, green downwards, blue constant: every corner differs."""
    pixels = np.full((height_px, width_px, 3), 90, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width_px)
    pixels[..., 1] = np.linspace(0, 255, height_px)[:, None]
    return pixels


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def difference(a: Pixels, b: Pixels) -> int:
    return int(np.abs(a.astype(int) - b).max())


def png_of_size(width_px: int, height_px: int) -> bytes:
    """A PNG that says to be large and holds almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [(".png", 0), (".bmp", 0), (".tif", 0), (".webp", 12), (".jpg", 12), (".gif", 60)],
)
def test_every_kind_of_file_is_read(tmp_path: Path, suffix: str, tolerance: int) -> None:
    path = tmp_path / f"scene{suffix}"
    Image.fromarray(scene()).save(path)

    pixels = read_picture(path)

    assert suffix in READ_SUFFIXES
    assert (pixels.dtype, pixels.shape) == (np.uint8, (48, 64, 3))
    assert difference(pixels, scene()) <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.fromarray(scene()).convert("L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        picture = (Image.fromarray(scene()) if mode == "RGBX" else grey).convert(mode)
    expected = np.asarray(picture.convert("RGB") if mode in ("1", "P", "RGBX") else grey)
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)

    pixels = decode_picture(encoded(picture, "TIFF"), "test")

    assert difference(pixels, expected) <= 1


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [(np.float32, "floating-point"), (np.int32, "signed or 32-bit"), (np.int16, "signed or 32")],
)
def test_numbers_that_do_not_say_what_is_white_are_refused(dtype: type, kind: str) -> None:
    if dtype is np.int16:
        # Pillow writes none: the tag of the format, SHORT, one value, says signed.
        data = encoded(Image.fromarray(np.zeros((8, 8), np.uint16)), "TIFF", tiffinfo={339: 2})
    else:
        data = encoded(Image.fromarray(np.linspace(0, 1, 64, dtype=dtype).reshape(8, 8)), "TIFF")

    with pytest.raises(PictureError, match=f"test: .*{kind}.*; save it with 8 or 16 bits"):
        decode_picture(data, "test")


@pytest.mark.parametrize(
    ("photometric", "bits", "levels"),
    [(1, 16, [0, 1, 128, 255]), (0, 16, [255, 254, 127, 0]), (1, 12, [0, 16, 255, 255])],
)
def test_grey_of_more_bits_is_scaled_as_the_tiff_says(
    photometric: int, bits: int, levels: list[int]
) -> None:
    if bits == 12:
        # Two levels in three bytes.
        pixels, width = bytes.fromhex("000100ffffff"), 4
    else:
        pixels, width = np.array([0, 256, 32768, 65535], "<u2").tobytes(), 4
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 1}
    tags[279] = len(pixels)
    at = 8 + len(pixels)
    directory = struct.pack("<H", len(tags))
    for tag, value in sorted(tags.items()):
        directory += struct.pack("<HHIHH", tag, 3, 1, value, 0)
    data = struct.pack("<2sHI", b"II", 42, at) + pixels + directory + bytes(4)

    assert decode_picture(data, "test")[0, :, 0].tolist() == levels


def test_sixteen_bits_of_a_png_are_scaled_and_not_cut() -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)

    pixels = decode_picture(encoded(Image.fromarray(levels), "PNG"), "test")

    assert (pixels[..., 1] == levels >> 8).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_what_is_converted_strip_by_strip_is_whole(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = Image.fromarray(scene(50, 64)).convert("L")
    if mode == "I;16":
        data = encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) << 8), "PNG")
    else:
        data = encoded(grey.convert(mode), "PNG")
    monkeypatch.setattr("edged.imaging.pillow._STRIP_PIXELS", 7 * 64)

    assert (decode_picture(data, "test") == np.asarray(grey)[..., None]).all()


def test_cmyk_of_a_jpeg_becomes_rgb() -> None:
    picture = Image.fromarray(scene()).convert("CMYK")

    pixels = decode_picture(encoded(picture, "JPEG", quality=95), "test")

    assert difference(pixels, scene()) <= 25


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_what_is_transparent_lies_over_white(kind: str) -> None:
    picture = Image.new("RGBA", (8, 8), (200, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 4, 8))

    pixels = decode_picture(encoded(picture, kind), "test")

    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == (200, 0, 0)).all()


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]

    pixels = decode_picture(
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "test"
    )

    assert (pixels == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_in_exif_turns_the_picture_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(scene()), kind, exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))

    pixels = decode_picture(data, "test")

    assert (pixels == np.asarray(upright.convert("RGB"))).all()


@pytest.mark.parametrize("orientation", [1, 6])
@settings(max_examples=25)
@given(wanted=st.tuples(st.integers(1, 400), st.integers(1, 400)))
@example(wanted=(100, 150))
def test_a_reduced_jpeg_has_twice_the_pixels_wanted_along_both_sides(
    orientation: int, wanted: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(scene(301, 403)), "JPEG", exif=exif)
    full = decode_picture(data, "test")

    reduced = decode_picture(data, "test", wanted)

    for size_px, full_px, wanted_px in zip(reduced.shape, full.shape, wanted, strict=False):
        assert size_px >= min(2 * wanted_px, full_px)
    scale = round(full.shape[0] / reduced.shape[0])
    assert scale in (1, 2, 4, 8)
    smaller = min(f / w for f, w in zip(full.shape, wanted, strict=False)) // (4 * scale) == 0
    assert smaller or scale == 8


def test_a_camera_frame_is_reduced_as_well(shared_data: Path) -> None:
    data = (shared_data / "images" / "cat_1080p.jpg").read_bytes()

    assert decode_jpeg(data, "test").shape == (1080, 1920, 3)
    assert decode_jpeg(data, "test", (224, 224)).shape == (540, 960, 3)


def test_a_camera_frame_that_is_no_jpeg_is_refused() -> None:
    data = encoded(Image.fromarray(scene()), "PNG")

    with pytest.raises(PictureError, match=r"^/dev/video0: no JPEG; "):
        decode_jpeg(data, "/dev/video0")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello, world", "not a picture"),
        (b"\xff\xd8\xff", "not a picture"),
        (encoded(Image.fromarray(scene()), "JPEG")[:900], "damaged picture"),
        (encoded(Image.fromarray(scene()), "PNG")[:100], "damaged picture"),
        (png_of_size(40_000, 40_000), "40000x40000 pixels take more than 256 MiB"),
        (png_of_size(12_000, 10_000), "12000x10000 pixels take more than 256 MiB"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)

    with pytest.raises(PictureError) as caught:
        read_picture(path)

    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"absent\.jpg: no such file"):
        read_picture(tmp_path / "absent.jpg")
    with pytest.raises(PictureError, match="is a directory"):
        read_picture(tmp_path)


@settings(max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_damaged_data_gives_pixels_or_a_picture_error(data: st.DataObject, kind: str) -> None:
    content = bytearray(encoded(Image.fromarray(scene(12, 16)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))

    with suppress(PictureError):
        pixels = decode_picture(bytes(content[:end]), "test", (4, 4))
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


def test_warnings_of_pillow_do_not_leak() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03"
    data = encoded(Image.fromarray(scene()), "JPEG", exif=exif)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode_picture(data, "test", (4, 4))
        with pytest.raises(PictureError, match="MiB"):
            decode_picture(png_of_size(10_000, 10_000), "test")


@pytest.mark.parametrize("view", ["plain", "turned", "mirrored"])
def test_jpeg_keeps_the_picture(view: str) -> None:
    pixels = {"plain": scene(), "turned": np.rot90(scene()), "mirrored": scene()[:, ::-1]}[view]

    assert difference(decode_jpeg(jpeg(pixels, 95), "test"), pixels) <= 12


def test_jpeg_reduces_to_the_width_and_never_enlarges() -> None:
    assert decode_jpeg(jpeg(scene(), 80, width_px=32), "test").shape == (24, 32, 3)
    assert decode_jpeg(jpeg(scene(), 80, width_px=640), "test").shape == (48, 64, 3)
    assert decode_jpeg(jpeg(scene(2, 640), 80, width_px=16), "test").shape == (1, 16, 3)


def test_a_lower_quality_is_smaller() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)

    assert len(jpeg(noise, 20)) < len(jpeg(noise, 90)) / 2


def written(lines: list[str], height_px: int = 240, width_px: int = 320) -> Pixels:
    plain = np.full((height_px, width_px, 3), 120, np.uint8)
    return decode_jpeg(annotated_jpeg(plain, lines, 95, None), "test")


def test_text_is_light_in_a_dark_corner_and_the_rest_is_untouched() -> None:
    pixels = written(["tabby cat 0.93", "cat active"])

    assert difference(pixels[:190], np.full((190, 320, 3), 120, np.uint8)) <= 8
    assert difference(pixels[:, 200:], np.full((240, 120, 3), 120, np.uint8)) <= 8
    assert pixels[-30:, :80].max() > 220
    assert np.median(pixels[-30:, :80]) < 60
    assert not (written(["tabby cat 0.93", "bird active"]) == pixels).all()


def test_every_line_takes_its_own_room() -> None:
    def band_px(lines: list[str]) -> int:
        return int((written(lines)[:, 1, 0] < 80).sum())

    assert 0 < band_px(["a"]) < band_px(["a", "b"]) < band_px(["a", "b", "c"])
    assert band_px(["a"] * 500) <= 140


def test_no_lines_leave_the_picture_as_it_is() -> None:
    assert annotated_jpeg(scene(), [], 80, None) == jpeg(scene(), 80)


def test_a_line_that_is_too_long_ends_within_the_picture() -> None:
    assert (written(["W" * 10_000]) == written(["W" * 200])).all()
    assert written(["W" * 200])[-12:, -4:].max() < 150


def test_hostile_and_foreign_text_is_drawn_without_error() -> None:
    assert (written(["a\nb\x00\u200b", "Käfer"])[..., 0] > 200).any()
    assert (written(["Käfer"]) == written(["Kafer"])).all()
    assert (written(["猫"]) == written(["?"])).all()


@pytest.mark.parametrize("size_px", [1, 5, 16, 33])
def test_a_tiny_picture_can_be_annotated(size_px: int) -> None:
    assert written(["cat 0.9", "dog 0.1"], size_px, size_px).shape == (size_px, size_px, 3)


def test_the_callers_pixels_stay_as_they_are() -> None:
    pixels = scene()

    annotated_jpeg(pixels, ["cat"], 80, None)

    assert (pixels == scene()).all()


def test_text_is_drawn_without_freetype_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with_freetype = written(["cat 0.9"])
    small = ImageFont.load_default_imagefont()

    def without_freetype(size: float | None = None) -> ImageFont.ImageFont:
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return small

    monkeypatch.setattr(ImageFont, "load_default", without_freetype)
    module._font.cache_clear()
    try:
        pixels = written(["cat 0.9"])
    finally:
        module._font.cache_clear()

    assert pixels[-30:].max() > 200
    assert not (pixels == with_freetype).all()
